// The owners of tokens.

import { Problem, api, get, loadModule, notify, page, start, useModule } from './app.js';
import { cell, empty, heading, makeList, searchField, table } from './list.js';
import { bdi, h, icon, number, t, time, tNodes } from './ui.js';

const { main, me: identity } = await start('users');
let me = null;

const labelled = (label, control, hint) => h('label.field', h('span', label), control, hint && h('span.hint', hint));

/** Asks for confirmation; with `word`, the user must type it. */
const confirmChange = async ({ test, title, body, button, kind = 'danger', word, work }) => {
  const { ask, cancel } = await loadModule('dialog');
  const typed = h('input@typed');
  const checked = async () => {
    if (word !== undefined && typed.value.trim() !== word) throw new Problem({ code: 'typed' });
    await work();
  };
  return (await ask({
    test, title,
    body: [body, word !== undefined && labelled(t('typed', { word }), typed)],
    unsure: list.load,
    actions: [{ ...cancel(), focus: kind === 'danger' }, { name: 'go', text: button, kind, submits: true, work: checked }],
  })) === 'go';
};

const finish = (text) => {
  notify(text);
  list.load();
};
const path = (user) => `api/v1/users/${user.id}`;

/** Creates or updates a user. */
const form = async (user) => {
  const { roles } = await get('scopes');
  const subject = h('input@user-subject', { value: user?.subject ?? '', autofocus: true });
  const name = h('input@user-name', { value: user?.name ?? '' });
  // A role that is no longer in the settings stays until another is chosen.
  const role = h('select@user-role', [...new Set([...roles, user?.role ?? roles[0]])].map((value) => h('option', { value, selected: value === user?.role }, value)));
  const work = () => {
    // Only changed fields: the displayed values may be outdated.
    const fields = Object.entries({ subject: subject.value, name: name.value, role: role.value }).filter(([key, value]) => value !== (user?.[key] ?? ''));
    const body = Object.fromEntries(fields);
    if (!user) return api('POST', 'api/v1/users', { body });
    return fields.length && api('PATCH', path(user), { body });
  };
  const isDone = await confirmChange({
    test: 'user-dialog', title: t(user ? 'users.edit' : 'users.new'), button: t('save'), kind: 'primary', work,
    body: [labelled(t('users.subject'), subject, t('users.subject_hint')), labelled(t('form.name'), name), labelled(t('users.role'), role, t('users.role_hint'))],
  });
  if (isDone) finish(t('users.saved'));
};

const setDisabled = async (user) => {
  const change = () => api('PATCH', path(user), { body: { disabled: !user.disabled } });
  const key = user.disabled ? 'enable' : 'disable';
  const isDone = await confirmChange({
    test: `${key}-dialog`, title: t(`users.${key}_title`), body: h('p', tNodes(`users.${key}_body`, { name: bdi(user.name) })), button: t(`users.${key}`), kind: user.disabled ? 'primary' : 'danger', work: change,
  });
  if (isDone) finish(t('users.saved'));
};

const revokeAll = async (user) => {
  const totals = await Promise.all(['active', 'inactive', 'pending'].map(async (status) => (await get(`users/${user.id}/tokens`, { status, limit: '1' })).total));
  const count = totals.reduce((sum, total) => sum + total, 0);
  let answer;
  const isDone = await confirmChange({
    test: 'revoke-all-dialog', title: t('users.revoke_all_title'), word: String(count), button: t('users.revoke_all'),
    body: h('p', tNodes('users.revoke_all_body', { name: bdi(user.name), count: h('b@count', number(count)) })),
    work: async () => { answer = await api('POST', `${path(user)}/revoke-tokens`, { body: {} }); },
  });
  if (isDone) finish(t('users.revoked', { count: answer.revoked }));
};

const remove = async (user) => {
  const isDone = await confirmChange({
    test: 'delete-dialog', title: t('users.delete_title'), word: user.subject, button: t('users.delete'),
    body: h('p', tNodes('users.delete_body', { name: bdi(user.name) })), work: () => api('DELETE', path(user)),
  });
  if (isDone) finish(t('users.deleted'));
};

const button = (user, test, action) => h('button', {
  class: `small ${['revoke_all', 'delete'].includes(test) ? 'danger-text' : ''}`, 'data-test': `user-${test}`, 'aria-label': `${t(`users.${test}`)}: ${user.subject}`,
  onclick: () => useModule('dialog', () => action(user)),
}, t(`users.${test}`));

const list = makeList({
  path: 'users',
  query: () => ({ search: search.wanted() }),
  row: (user) => h('tr@user', { role: 'row', 'data-id': user.id },
    h('th', { role: 'rowheader', scope: 'row' }, h('a.name', { href: page('inventory', { user_id: user.id }) }, bdi(user.name)), h('span.hint', bdi(user.subject))),
    cell('role', bdi(user.role)),
    cell('status', h('span', { class: `status ${user.disabled ? 'disabled' : 'enabled'}` }, t(user.disabled ? 'users.is_disabled' : 'status.active'))),
    cell('created', time(user.created_at)),
    h('td.buttons', { role: 'cell' }, me?.can('admin:write') && [
      button(user, 'edit', form), button(user, user.disabled ? 'enable' : 'disable', setDisabled), button(user, 'revoke_all', revokeAll), button(user, 'delete', remove)])),
  wrap: (drawn) => table(t('title.users'), ['name', 'role', 'status', 'created', 'actions'], drawn),
  none: () => empty(t('list.none')),
});
const search = searchField(t('users.search'), list.load);
const create = h('button.primary@new-user', { disabled: true, onclick: () => useModule('dialog', () => form()) }, icon('plus'), t('users.new'));
main.append(heading('title.users', 'users.lead', create), h('div.find', search), ...list.nodes);
me = await identity.catch(() => null);
create.disabled = false;
create.hidden = !me?.can('admin:write');
list.load();
