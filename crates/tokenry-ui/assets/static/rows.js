// A token as a row of a list.

import { api, complain, page, say } from './app.js';
import { cell } from './list.js';
import { DAY, distance, exact, h, icon, own, rich, t, when } from './ui.js';

/** Prefix and suffix as they are shown everywhere. */
export const shownAs = (token, properties) =>
  h('code', { class: 'shown', ...properties }, `${token.token_prefix}…${token.token_suffix}`);

/** What it may do, as chips. */
export const chips = (scopes, most = Infinity) =>
  h('ul', { class: 'chips', role: 'list' },
    scopes.slice(0, most).map((scope) => h('li', { class: `chip ${scope === '*' ? 'strong' : ''}`, title: scope }, scope === '*' ? t('scope.all') : scope)),
    scopes.length > most && h('li', { class: 'chip quiet', title: scopes.slice(most).join(', ') }, `+${scopes.length - most}`),
    scopes.length === 0 && h('li', { class: 'muted' }, t('scope.none')));

export const isDead = (token) => token.status === 'revoked' || token.status === 'expired';

/** Status with its dot. */
export const status = (name) => h('span', { class: `status ${name}`, 'data-test': 'status' }, t(`status.${name}`));

/** When it ends: amber within a week. */
export const expiry = (token) => {
  if (!token.expires_at) return h('span', { class: 'amber' }, t('expiry.never'));
  const left = new Date(token.expires_at) - Date.now();
  const text = left > 0 ? distance(token.expires_at) : t('expiry.ended', { when: distance(token.expires_at) });
  const soon = left > 0 && left < 7 * DAY && !isDead(token);
  return h('time', { datetime: token.expires_at, title: exact(token.expires_at), class: soon ? 'amber' : '', 'data-test': 'expiry' }, text);
};

/** When and from where it was last used. */
export const lastUse = (token) =>
  token.last_used_at
    ? h('span', { 'data-test': 'last-used' }, when(token.last_used_at), token.last_used_ip && h('span', { class: 'muted from' }, rich('use.from', { ip: own(token.last_used_ip) })))
    : h('span', { class: 'muted', 'data-test': 'last-used' }, t('use.never'));

/** Who ended it: `user:<id>` and the like, in words where they are known. */
export const actor = (text, me) => {
  const [kind, id] = (text ?? '').split(':');
  if (kind === 'user' && me && id === me.id) return t('actor.you');
  if (kind === 'token' && me?.token?.id === id) return rich('actor.token_named', { name: own(me.token.name) });
  if (kind === 'user' || kind === 'token') return [t(`actor.${kind}`), ' ', h('code', { title: id }, `…${(id ?? '').slice(-6)}`)];
  return kind === 'system' || kind === 'operator' ? t(`actor.${kind}`) : own(text ?? '');
};

/** Of a dead token: when, by whom and why. */
export const epitaph = (token, me) => {
  if (token.status !== 'revoked') return null;
  return h('p', { class: 'epitaph', 'data-test': 'epitaph' },
    rich('dead.revoked', { when: when(token.revoked_at), who: h('span', {}, actor(token.revoked_by, me)) }),
    token.revoked_reason && [' ', rich('dead.reason', { reason: own(token.revoked_reason) })]);
};

/** Active or not: shown at once, taken back with the server's words when it refuses. */
export const toggle = (token, { changed, me } = {}) => {
  const text = status(token.status);
  const show = (name) => text.replaceWith(Object.assign(text, { className: `status ${name}`, textContent: t(`status.${name}`) }));
  const input = h('input', {
    type: 'checkbox', role: 'switch', checked: token.status !== 'inactive', 'data-test': 'switch', 'aria-label': t('switch.label', { name: token.name }),
    onchange: async () => {
      const wanted = input.checked ? 'active' : 'inactive';
      const before = token.status;
      input.setAttribute('aria-busy', 'true');
      show(wanted);
      try {
        if (me?.token?.id === token.id && wanted === 'inactive' && !(await endsSession('switch'))) throw null;
        Object.assign(token, await api('PATCH', `api/v1/tokens/${token.id}`, { body: { status: wanted } }));
        show(token.status);
        say(t(`switch.${wanted}`, { name: token.name }));
        changed?.(token);
      } catch (problem) {
        input.checked = before !== 'inactive';
        show(before);
        if (problem) complain(problem);
      }
      input.removeAttribute('aria-busy');
    },
  });
  return h('span', { class: 'toggle' }, h('label', { class: 'hit' }, input), text);
};

const endsSession = async (what) => {
  const { ask, cancel } = await import('./dialog.js');
  return (await ask({
    test: 'ends-session', title: t('own.title'), body: [h('p', {}, t(`own.${what}`))],
    actions: [{ ...cancel(), focus: true }, { name: 'go', text: t('own.go'), kind: 'danger' }],
  })) === 'go';
};

/** What can be done with it. */
export const actions = (token, { me, reload }) =>
  isDead(token)
    ? [h('a', { class: 'button small ghost', href: page('create', { from: token.id }), 'data-test': 'duplicate', 'aria-label': t('token.duplicate_named', { name: token.name }) }, t('token.duplicate'))]
    : [
        h('button', { type: 'button', class: 'small', 'data-test': 'rotate', 'aria-label': t('rotate.named', { name: token.name }),
          onclick: async () => (await import('./rotate.js')).rotate(token, { me, done: reload }) }, icon('rotate'), t('rotate')),
        h('button', { type: 'button', class: 'small danger-text', 'data-test': 'revoke', 'aria-label': t('revoke.named', { name: token.name }),
          onclick: async () => (await import('./revoke.js')).revoke(token, { me, done: reload }) }, icon('revoke'), t('revoke')),
      ];

export const COLUMNS = ['name', 'access', 'expires', 'used', 'status', 'actions'];

/** The columns that say what a token is. */
export const cells = (token) => [cell('access', chips(token.scopes, 4)), cell('expires', expiry(token)), cell('used', lastUse(token))];

/** A token of one's own. */
export const row = (token, { me, reload, fresh }) =>
  h('tr', { role: 'row', 'data-test': 'token', 'data-id': token.id, class: [isDead(token) && 'dead', fresh && 'fresh'].filter(Boolean).join(' ') },
    h('th', { role: 'rowheader', scope: 'row' },
      h('a', { href: page('token', { id: token.id }), class: 'name', 'data-test': 'name' }, own(token.name)),
      shownAs(token), me?.token?.id === token.id && h('span', { class: 'chip quiet', 'data-test': 'own' }, t('own.chip')), epitaph(token, me)),
    cells(token),
    cell('status', ['active', 'inactive'].includes(token.status) ? toggle(token, { me }) : status(token.status)),
    h('td', { role: 'cell', class: 'buttons' }, actions(token, { me, reload })));
