// The tokens of all users.

import { page, start } from './app.js';
import { cell, cells, choice, empty, filters, heading, isDead, makeList, searchField, status, table, tokenLabel } from './list.js';
import { bdi, h, t } from './ui.js';

const { main } = await start('inventory');
const RISKS = ['never_used', 'no_expiry', 'full_access', 'idle', 'owner_disabled'];
const bar = filters([
  ['status', choice('status', ['active', 'inactive', 'pending', 'expired', 'revoked'])],
  ['risk', choice('risk', RISKS)],
  ['scope'],
  ['user_id'],
  ['sort', ['-created_at', 'name', 'expires_at', 'last_used_at'].map((value) => [value, t(value === 'last_used_at' ? 'sort.unused' : `sort.${value.replace('-', '')}`)])],
], () => list.load());
const search = searchField(t('tokens.search'), () => list.load());
const list = makeList({
  path: 'admin/tokens',
  query: () => ({ ...bar.query(), search: search.wanted() }),
  row: (token) => h('tr@token', { role: 'row', 'data-id': token.id, class: isDead(token) && 'dead' },
    h('th', { role: 'rowheader', scope: 'row' }, h('a.name', { href: page('audit', { token_id: token.id }) }, bdi(token.name)), tokenLabel(token)),
    cell('owner', h('a', { href: page('inventory', { user_id: token.user_id }) }, bdi(token.subject))),
    cells(token),
    cell('status', status(token.status)),
    cell('risk', token.risks.length > 0 && h('ul.chips', { role: 'list' }, token.risks.map((risk) => h('li.chip.risk', t(`risk.${risk}`)))))),
  wrap: (drawn) => table(t('title.inventory'), ['name', 'owner', 'access', 'expires', 'used', 'status', 'risk'], drawn),
  none: () => empty(t('list.none')),
  total: 'tokens.total',
});
main.append(heading('title.inventory', 'inventory.lead'), h('div.find', search), bar.element, ...list.nodes);
list.load();
