// The tokens of the signed-in user.

import { page, start } from './app.js';
import { COLUMNS, empty, heading, makeList, row, searchField, table } from './list.js';
import { h, icon, stash, t } from './ui.js';

const { main, me: identity } = await start('tokens');

const TABS = ['all', 'active', 'inactive', 'pending', 'expired', 'revoked'];
const SORTS = ['-created_at', 'name', 'expires_at', '-last_used_at'];
const asked = new URLSearchParams(location.search).get('status');
let status = TABS.includes(asked) ? asked : 'all';
let me = null;

const tabs = TABS.map((name) =>
  h('button', { 'data-test': `tab-${name}`, 'aria-pressed': String(name === status), onclick: () => choose(name) }, t(`status.${name}`)));
const search = searchField(t('tokens.search'), () => list.load());
const sort = h('select@sort', { 'aria-label': t('tokens.sort'), onchange: () => list.load() },
  SORTS.map((value) => h('option', { value }, t(`sort.${value.replace('-', '')}`))));

const choose = (name) => {
  status = name;
  tabs.forEach((tab, index) => tab.setAttribute('aria-pressed', String(TABS[index] === name)));
  history.replaceState(null, '', name === 'all' ? './' : `./?status=${name}`);
  list.load();
};

const create = (text) => h('a.button.primary@new-token', { href: page('create') }, icon('plus'), t(text));
const none = () => {
  if (search.wanted()) return empty(t('tokens.no_match'), h('p', t('tokens.no_match_hint')));
  return status === 'all' ? empty(t('tokens.empty'), h('p', t('tokens.empty_what')), create('tokens.first')) : empty(t('list.none'));
};

const fresh = stash('fresh');
stash('fresh', null);
const list = makeList({
  path: 'tokens',
  query: () => ({ status: status === 'all' ? '' : status, search: search.wanted(), sort: sort.value }),
  row: (token) => row(token, { me, reload: list.load, fresh: token.id === fresh }),
  wrap: (drawn) => table(t('title.tokens'), COLUMNS, drawn),
  none,
  total: 'tokens.total',
});

main.append(
  heading('title.tokens', 'tokens.lead', create('title.create')),
  h('div.tools',
    h('div.tabs', { role: 'group', 'aria-label': t('column.status') }, tabs),
    h('div.find', search, sort)),
  ...list.nodes);
me = await identity.catch(() => null);
list.load();
