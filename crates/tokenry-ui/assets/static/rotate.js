// Rotation of a token.

import { api, get, say } from './app.js';
import { ask, cancel } from './dialog.js';
import { shownAs } from './list.js';
import { guard, showSecret } from './secret.js';
import { exact, h, icon, own, rich, span, t } from './ui.js';

const GRACES = [0, 900, 3600, 86_400, 604_800];

/** Also works without a secure context. */
const requestName = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Asks for the grace period, rotates, and shows the new secret; `done` receives a message about the old one. */
export const rotate = async (token, { me, done }) => {
  const { rotation: { max_grace_seconds: most } } = await get('policy');
  const choices = [...new Set([...GRACES.filter((grace) => grace <= most), most])].sort((a, b) => a - b);
  let grace = 0;
  let box;
  let release;
  const isOwn = me?.token?.id === token.id;
  const name = requestName();
  const work = async () => {
    release = guard();
    try {
      box = await api('POST', `api/v1/tokens/${token.id}/rotate`, {
        body: { grace_seconds: grace },
        headers: { 'If-Match': `"${token.version}"`, 'Idempotency-Key': name },
      });
    } catch (problem) {
      release();
      throw problem;
    }
  };
  const answer = await ask({
    test: 'rotate-dialog',
    title: t('rotate.title'),
    body: [
      h('p', rich('rotate.body', { name: own(token.name, { class: 'strong' }), shown: shownAs(token) })),
      h('fieldset.field', h('legend', t('rotate.grace')),
        h('div.segments', choices.map((seconds) =>
          h('label.segment',
            h('input', { type: 'radio', name: 'grace', value: String(seconds), checked: seconds === 0, 'data-test': `grace-${seconds}`, onchange: () => { grace = seconds; } }),
            h('span', seconds ? span(seconds) : t('rotate.at_once'))))),
        h('p.hint', t('rotate.grace_hint'))),
      isOwn && h('p.note.warn', icon('warn'), h('span', t('own.rotate'))),
    ],
    unsure: done,
    actions: [cancel(), { name: 'rotate', text: t('rotate.button'), kind: 'primary', submits: true, focus: true, work }],
  });
  if (answer !== 'rotate') return;
  const end = Math.min(Date.now() + grace * 1000, token.expires_at ? new Date(token.expires_at).getTime() : Infinity);
  const old = t(grace ? 'rotate.old_until' : 'rotate.old_gone', { shown: shownAs(token).textContent, when: exact(end) });
  const shown = showSecret({ box, title: t('secret.rotated', { name: token.name }), note: old });
  release();
  await shown;
  say(old);
  done(grace ? old : '');
};
