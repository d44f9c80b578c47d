// The audit log and the verification of its chain.

import { get, showError, start } from './app.js';
import { KINDS, event } from './events.js';
import { choice, empty, filters, heading, makeList } from './list.js';
import { exact, h, icon, t } from './ui.js';

const { main, me: identity } = await start('audit');
let me = null;
const bar = filters([['kind', choice('event', KINDS)], ['user_id'], ['token_id'], ['from', 'date'], ['to', 'date']], () => list.load());
const list = makeList({
  path: 'audit',
  query: bar.query,
  row: (entry) => event(entry, me),
  wrap: (drawn) => h('div.card', h('ol.events', { role: 'list' }, drawn)),
  none: () => empty(t('list.none')),
});

const verdict = h('div@chain', { role: 'status' });
const check = h('button@check-chain', {
  onclick: async () => {
    check.disabled = true;
    verdict.replaceChildren(h('p.muted', t('chain.checking')));
    try {
      const { intact, events, broken_at: brokenAt, reason, checked_at: at } = await get('audit/chain');
      verdict.replaceChildren(h('p', { class: `note ${intact ? 'good' : 'bad'}`, 'data-intact': String(intact) }, icon(intact ? 'check' : 'warn'),
        h('span', intact ? t('chain.intact', { count: events, when: exact(at) }) : t('chain.broken', { entry: String(brokenAt), reason: reason ?? '', when: exact(at) }))));
    } catch (problem) {
      verdict.replaceChildren();
      showError(problem);
    }
    check.disabled = false;
  },
}, icon('check'), t('chain.check'));

main.append(heading('title.audit', 'audit.lead', check), verdict, bar.element, ...list.nodes);
me = await identity.catch(() => null);
list.load();
