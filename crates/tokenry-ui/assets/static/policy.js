// The policy, read-only, and the nodes.

import { get, required, start } from './app.js';
import { cell, chips, table } from './list.js';
import { bdi, distance, h, number, span, t } from './ui.js';

const { main, me: identity } = await start('policy');
const DAYS = 86_400;
const duration = (seconds) => (seconds ? span(seconds) : t('policy.unlimited'));
const amount = (value) => (value ? number(value) : t('policy.unlimited'));

// Values for which 0 does not mean "no limit".
const ZEROS = { max_grace_seconds: 'rotate.at_once', default_days: 'expiry.never', bucket_seconds: 'policy.each' };

/** Formats a value by the unit in its name: days, seconds, a switch, a number or a word. */
const shown = (name, value) => {
  if (value === null) return t('policy.unlimited');
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  if (value === 0 && name in ZEROS) return t(ZEROS[name]);
  if (name.endsWith('_days')) return duration(value * DAYS);
  if (name.endsWith('_seconds')) return duration(value);
  return typeof value === 'number' ? amount(value) : h('code', bdi(value));
};
const section = (name, values) => h('section.card', { 'data-test': `policy-${name}` }, h('h2', t(`policy.${name}`)),
  h('dl.facts', Object.entries(values).map(([key, value]) => [h('dt', t(`policy.${name}.${key}`)), h('dd', shown(key, value))])));

const area = h('div.columns.list');
main.append(h('div', h('h1', t('title.policy')), h('p.muted', t('policy.lead'))), area);
const { roles, ...sections } = await required(area, get('policy'));
area.append(...Object.entries(sections).filter(([, values]) => values).map(([name, values]) => section(name, values)),
  h('section.card@policy-roles', h('h2', t('policy.roles')), h('dl.facts', roles.map(({ name, scopes }) => [h('dt', bdi(name)), h('dd', chips(scopes))]))));

// A node's state has the colors of a token's.
const COLORS = { current: 'active', behind: 'pending', silent: 'revoked' };
const row = (node) => h('tr@node', { role: 'row', 'data-id': node.id },
  cell('address', bdi(node.address)), cell('version', bdi(node.version)),
  cell('status', h('span', { class: `status ${COLORS[node.state]}` }, t(`nodes.${node.state}`))),
  cell('renewed', distance(new Date(Date.now() - node.renewed_ms_ago))),
  cell('acknowledged', number(node.acked_seq)));

if ((await identity.catch(() => null))?.can('admin:read')) {
  const list = h('div');
  main.append(h('section.list@nodes', h('h2', t('nodes')), h('p.muted', t('nodes.lead')), list));
  const { data, change_seq: head } = await required(list, get('admin/nodes'));
  list.append(...data.length
    ? [table(t('nodes'), ['address', 'version', 'status', 'renewed', 'acknowledged'], data.map(row)), h('p.muted', t('nodes.newest', { number: number(head) }))]
    : [h('p', t('nodes.none'))]);
}
