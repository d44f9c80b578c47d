// Editing of a token: all changes or none, and only of the displayed version.

import { api, get, loadModule, notify } from './app.js';
import { h, t } from './ui.js';

export const edit = async (token, { me, done }) => {
  const [{ ask, cancel }, { accessPicker, entries, expiryPicker, field, group, showProblem, summary }, catalog, policy] =
    await Promise.all([loadModule('dialog'), loadModule('form'), get('scopes'), get('policy')]);
  const none = () => {};
  const name = h('input', { value: token.name });
  const description = h('textarea', { value: token.description ?? '', rows: '2' });
  const ips = h('textarea.mono', { value: token.allowed_ips.join('\n'), rows: '2' });
  const access = accessPicker({ catalog, me, chosen: token.scopes, existing: token.scopes, changed: none });
  const expiry = expiryPicker({ policy, me, current: token.expires_at, changed: none });
  const form = h('div.form', summary(),
    field('/name', t('form.name'), name), group('/expires_at', t('form.expiry'), expiry.element), group('/scopes', t('form.access'), access.element),
    field('/description', t('form.description'), description), field('/allowed_ips', t('form.ips'), ips, t('form.ips_hint')));
  const isOther = (after, before) => after.toSorted().join() !== before.toSorted().join();
  const changes = () => {
    const body = { ...expiry.value() };
    if (name.value !== token.name) body.name = name.value;
    if (description.value !== (token.description ?? '')) body.description = description.value || null;
    if (isOther(access.value(), token.scopes)) body.scopes = access.value();
    if (isOther(entries(ips.value), token.allowed_ips)) body.allowed_ips = entries(ips.value);
    return body;
  };
  let sent;
  const work = async () => {
    sent = changes();
    if (Object.keys(sent).length) await api('PATCH', `api/v1/tokens/${token.id}`, { body: sent, headers: { 'If-Match': `"${token.version}"` } });
  };
  const answer = await ask({
    test: 'edit-dialog', title: t('edit.title'), body: form, unsure: done, onError: (problem) => showProblem(form, problem, sent),
    actions: [cancel(), { name: 'save', text: t('save'), kind: 'primary', submits: true, work }],
  });
  if (answer !== 'save') return;
  notify(t('edit.done'));
  done();
};
