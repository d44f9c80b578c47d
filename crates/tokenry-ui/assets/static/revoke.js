// Revocation of a token.

import { api, say } from './app.js';
import { ask, cancel } from './dialog.js';
import { lastUse, shownAs } from './list.js';
import { h, icon, own, rich, t } from './ui.js';

/** Asks for confirmation with the name and the last use, and revokes the token; `done` is called afterwards. */
export const revoke = async (token, { me, done }) => {
  const reason = h('input@revoke-reason', { id: 'revoke-reason', maxlength: '200' });
  const isOwn = me?.token?.id === token.id;
  const work = () => api('DELETE', `api/v1/tokens/${token.id}`, { query: { reason: reason.value.trim() } });
  const answer = await ask({
    test: 'revoke-dialog',
    title: t('revoke.title'),
    body: [
      h('p', rich('revoke.body', { name: h('strong', own(token.name)), shown: shownAs(token) })),
      h('p', t('column.used'), ': ', lastUse(token)),
      isOwn && h('p.note.warn', icon('warn'), h('span', t('own.revoke'))),
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
  say(t('revoke.done', { name: token.name }));
  done();
};
