// Rotation of a token.

import { api, get, loadModule, notify } from './app.js';
import { tokenLabel } from './list.js';
import { bdi, exact, h, span, t, tNodes, warning } from './ui.js';

const GRACES = [0, 900, 3600, 86_400, 604_800];

/** Also works without a secure context. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Asks for the grace period, rotates, and shows the new secret; `done` receives a message about the old one. */
export const rotate = async (token, { me, done }) => {
  const [{ ask, cancel }, { guard, showSecret }, policy] = await Promise.all([loadModule('dialog'), loadModule('secret'), get('policy')]);
  const maxGrace = policy.rotation.max_grace_seconds;
  const choices = [...new Set([...GRACES.filter((grace) => grace <= maxGrace), maxGrace])].sort((a, b) => a - b);
  let grace = 0;
  let issued;
  let release;
  const isOwn = me?.token?.id === token.id;
  const key = newKey();
  const work = async () => {
    release = guard();
    try {
      issued = await api('POST', `api/v1/tokens/${token.id}/rotate`, {
        body: { grace_seconds: grace },
        headers: { 'If-Match': `"${token.version}"`, 'Idempotency-Key': key },
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
      h('p', tNodes('rotate.body', { name: bdi(token.name, { class: 'strong' }), shown: tokenLabel(token) })),
      h('fieldset.field', h('legend', t('rotate.grace')),
        h('div.segments', choices.map((seconds) =>
          h('label.segment',
            h('input', { type: 'radio', name: 'grace', value: String(seconds), checked: seconds === 0, 'data-test': `grace-${seconds}`, onchange: () => { grace = seconds; } }),
            h('span', seconds ? span(seconds) : t('rotate.at_once'))))),
        h('p.hint', t('rotate.grace_hint'))),
      isOwn && warning('own.rotate'),
    ],
    unsure: done,
    actions: [cancel(), { name: 'rotate', text: t('rotate.button'), kind: 'primary', submits: true, focus: true, work }],
  });
  if (answer !== 'rotate') return;
  const end = Math.min(Date.now() + grace * 1000, token.expires_at ? new Date(token.expires_at).getTime() : Infinity);
  const old = t(grace ? 'rotate.old_until' : 'rotate.old_gone', { shown: tokenLabel(token).textContent, when: exact(end) });
  const shown = showSecret({ issued, title: t('secret.rotated', { name: token.name }), note: old });
  release();
  await shown;
  notify(old);
  done(grace ? old : '');
};
