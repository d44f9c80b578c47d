// Revocation of a token.

import { api, loadModule, notify } from './app.js';
import { lastUse, tokenLabel } from './list.js';
import { bdi, h, t, tNodes, warning } from './ui.js';

/** Asks for confirmation with the name and the last use, and revokes the token; `done` is called afterwards. */
export const revoke = async (token, { me, done }) => {
  const { ask, cancel } = await loadModule('dialog');
  const reason = h('input@revoke-reason', { id: 'revoke-reason', maxlength: '200' });
  const isOwn = me?.token?.id === token.id;
  const work = () => api('DELETE', `api/v1/tokens/${token.id}`, { query: { reason: reason.value.trim() } });
  const answer = await ask({
    test: 'revoke-dialog',
    title: t('revoke.title'),
    body: [
      h('p', tNodes('revoke.body', { name: h('strong', bdi(token.name)), shown: tokenLabel(token) })),
      h('p', t('column.used'), ': ', lastUse(token)),
      isOwn && warning('own.revoke'),
      h('div.field', h('label', { for: 'revoke-reason' }, t('revoke.reason')), reason),
    ],
    unsure: done,
    actions: [{ ...cancel(), focus: true }, { name: 'revoke', text: t('revoke.button'), kind: 'danger', submits: true, work }],
  });
  if (answer !== 'revoke') return;
  if (isOwn) {
    location.assign('./sign-in');
    return;
  }
  notify(t('revoke.done', { name: token.name }));
  done();
};
