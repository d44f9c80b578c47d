// Lists: rows of tokens, tables that become cards, filters, "load more".

import { api, get, loadModule, notify, page, showError, useModule } from './app.js';
import { DAY, bdi, day, distance, endOfDay, exact, h, icon, t, time, tNodes } from './ui.js';

export const skeleton = () => h('div.skeleton', { 'aria-hidden': 'true' }, Array.from({ length: 6 }, () => h('div')));

/** The heading of a page, with its introduction and actions. */
export const heading = (title, lead, ...actions) =>
  h('div.head', h('div', h('h1', t(title)), h('p.muted', t(lead))), actions);

export const empty = (title, ...children) => h('div.empty@empty', h('h2', title), children);

export const cell = (column, ...children) => h('td', { role: 'cell', 'data-label': column && t(`column.${column}`) }, children);

/** A table that becomes cards on small screens; explicit roles keep it a table for screen readers. */
export const table = (caption, columns, drawn) =>
  h('table.rows', { role: 'table' }, h('caption.sr', caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((name) =>
      h('th', { role: 'columnheader', scope: 'col' }, h('span', { class: name === 'actions' && 'sr' }, t(`column.${name}`)))))),
    h('tbody', { role: 'rowgroup' }, drawn));

/** A list of `path`: `query()` returns the conditions, `row` renders one item, `wrap` the frame of the first page. */
export const makeList = ({ path, query, row, wrap, none, total = 'list.total' }) => {
  const count = h('p.muted.total@total', { role: 'status' }, '\u00a0');
  const area = h('div.list@list', { tabindex: '-1' }, skeleton());
  const more = h('button.more@more', { hidden: true, onclick: () => load(true) }, t('list.more'));
  let cursor;
  let latest = 0;
  const load = async (further = false) => {
    const request = (latest += 1);
    more.disabled = true;
    if (!further) more.hidden = true;
    area.setAttribute('aria-busy', 'true');
    try {
      const answer = await get(path, { limit: '25', ...query(), cursor: further ? cursor : '' });
      if (request !== latest) return;
      cursor = answer.next_cursor;
      if (answer.total !== undefined) count.textContent = t(total, { count: answer.total });
      const drawn = answer.data.map(row);
      if (further) {
        area.querySelector('tbody, .events').append(...drawn);
        drawn[0]?.querySelector('a, button')?.focus();
      } else {
        const hadFocus = area.contains(document.activeElement);
        area.replaceChildren(drawn.length ? wrap(drawn) : none());
        if (hadFocus) area.focus({ preventScroll: true });
      }
      more.hidden = !cursor;
    } catch (problem) {
      if (request !== latest) return;
      showError(problem);
      if (!further) area.replaceChildren(empty(t('list.failed'), h('button', { onclick: () => load() }, t('retry'))));
    } finally {
      if (request === latest) {
        more.disabled = false;
        area.removeAttribute('aria-busy');
      }
    }
  };
  return { nodes: [count, area, more], load: () => load() };
};

const LONG = /\S{40,}/g;
const SCOPE = /^[a-z0-9_.-]+:[a-z0-9_.-]+$/;
/** The text without anything that could be a whole secret, pasted by mistake: URLs must not contain secrets. */
const redact = (text) =>
  text.trim().replace(LONG, (run) => (SCOPE.test(run) ? run : run.slice(0, Math.max(run.lastIndexOf('_') + 13, 12)).slice(0, 32)));
/** The search term for a pasted secret or its displayed form. */
const searchTerm = (text) => {
  const [before, after = ''] = redact(text.match(LONG)?.[0] ?? text).split(/…|\.{3}/);
  return before.trim() || after.trim();
};

/** A debounced search field. */
export const searchField = (label, changed) => {
  let timer;
  const field = h('input', {
    type: 'search', placeholder: label, 'aria-label': label, 'data-test': 'search',
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (field.value.match(LONG)) field.value = searchTerm(field.value);
        changed();
      }, 250);
    },
  });
  field.wanted = () => searchTerm(field.value);
  return field;
};

/** Filters: `[name, options]` is a choice, `[name]` a text, `[name, 'date']` a day; initial values come from the URL. */
export const filters = (fields, changed) => {
  const given = new URLSearchParams(location.search);
  const controls = fields.map(([name, kind]) => {
    const first = redact(given.get(name) ?? '');
    const shared = { 'data-test': `filter-${name}`, onchange: ({ target }) => { target.value = redact(target.value); updateUrl(); changed(); } };
    return [name, kind, Array.isArray(kind)
      ? h('select', shared, kind.map(([value, text]) => h('option', { value, selected: value === first }, text)))
      : h('input', { type: kind ?? 'text', value: first, ...shared })];
  });
  const value = ([name, kind, control]) => {
    const text = redact(control.value);
    if (kind !== 'date' || !text) return [name, text];
    const end = endOfDay(text);
    return [name, (name === 'to' ? end : new Date(end.getFullYear(), end.getMonth(), end.getDate())).toISOString()];
  };
  const updateUrl = () => {
    const set = controls.map(([name, , control]) => [name, redact(control.value)]).filter(([, text]) => text);
    history.replaceState(null, '', `${location.pathname}${set.length ? `?${new URLSearchParams(set)}` : ''}`);
  };
  return {
    element: h('div.filters', controls.map(([name, , control]) => h('label.field', h('span', t(`filter.${name}`)), control))),
    query: () => Object.fromEntries(controls.map(value)),
  };
};

/** `[value, text]` of choices whose texts are `prefix.value`, "all" first. */
export const choice = (prefix, values) => [['', t('status.all')], ...values.map((value) => [value, t(`${prefix}.${value}`)])];

// Tokens.

/** The displayed prefix and suffix. */
export const tokenLabel = (token, props) =>
  h('code.shown', { ...props }, `${token.token_prefix}…${token.token_suffix}`);

/** The scopes as chips. */
export const chips = (scopes, max = Infinity) =>
  h('ul.chips', { role: 'list' },
    scopes.slice(0, max).map((scope) => h('li', { class: `chip ${scope === '*' ? 'strong' : ''}`, title: scope }, scope === '*' ? t('scope.all') : scope)),
    scopes.length > max && h('li.chip.quiet', { title: scopes.slice(max).join(', ') }, `+${scopes.length - max}`),
    scopes.length === 0 && h('li.muted', t('scope.none')));

export const isDead = (token) => token.status === 'revoked' || token.status === 'expired';

/** Status with its dot. */
export const status = (name) => h('span', { class: `status ${name}`, 'data-test': 'status' }, t(`status.${name}`));

/** The expiry, highlighted within a week. */
export const expiry = (token) => {
  if (token.status === 'revoked') return h('span.muted', token.expires_at ? day(token.expires_at) : '–');
  if (!token.expires_at) return h('span.amber', t('expiry.never'));
  const remaining = new Date(token.expires_at) - Date.now();
  const text = remaining > 0 ? distance(token.expires_at) : t('expiry.ended', { when: distance(token.expires_at) });
  const soon = remaining > 0 && remaining < 7 * DAY && !isDead(token);
  return h('time@expiry', { datetime: token.expires_at, title: exact(token.expires_at), class: soon ? 'amber' : '' }, text);
};

/** The time and address of the last use. */
export const lastUse = (token) =>
  token.last_used_at
    ? h('span@last-used', time(token.last_used_at), token.last_used_ip && h('span.muted.from', tNodes('use.from', { ip: bdi(token.last_used_ip) })))
    : h('span.muted@last-used', t('use.never'));

/** The actor as text, such as `user:<id>`; known ones by name. */
export const actor = (text, me) => {
  const [kind, id] = (text ?? '').split(':');
  if (kind === 'user' && me && id === me.id) return t('actor.you');
  if (kind === 'token' && me?.token?.id === id) return tNodes('actor.token_named', { name: bdi(me.token.name) });
  if (kind === 'user' || kind === 'token') return [t(`actor.${kind}`), ' ', h('code', { title: id }, `…${(id ?? '').slice(-6)}`)];
  return kind === 'system' || kind === 'operator' ? t(`actor.${kind}`) : bdi(text ?? '');
};

/** A reason that the server gives, or the text of a person. */
const reason = (text) => (text === 'leaked' ? t('dead.leaked') : bdi(text));

/** For a revoked token: time, actor and reason. */
export const revocation = (token, me) => {
  if (token.status !== 'revoked') return null;
  return h('p.revocation@revocation',
    tNodes('dead.revoked', { when: time(token.revoked_at), who: h('span', actor(token.revoked_by, me)) }),
    token.revoked_reason && [' ', tNodes('dead.reason', { reason: reason(token.revoked_reason) })]);
};

/** The activation switch: changes immediately and reverts with the server's message if the request fails. */
export const toggle = (token, { changed, me }) => {
  if (!['active', 'inactive'].includes(token.status) || !canWrite(me)) return status(token.status);
  const text = status(token.status);
  const show = (name) => text.replaceWith(Object.assign(text, { className: `status ${name}`, textContent: t(`status.${name}`) }));
  const input = h('input', {
    type: 'checkbox', role: 'switch', 'data-test': 'switch', checked: token.status !== 'inactive', 'aria-label': t('switch.label', { name: token.name }),
    // One request at a time, because two could arrive in either order.
    onclick: (event) => input.ariaBusy && event.preventDefault(),
    onchange: async () => {
      const wanted = input.checked ? 'active' : 'inactive';
      const before = token.status;
      input.setAttribute('aria-busy', 'true');
      show(wanted);
      try {
        if (me?.token?.id === token.id && wanted === 'inactive' && !(await confirmSignOut('switch'))) throw null;
        Object.assign(token, await api('PATCH', `api/v1/tokens/${token.id}`, { body: { status: wanted } }));
        input.checked = token.status !== 'inactive';
        show(token.status);
        notify(t(`switch.${wanted}`, { name: token.name }));
        changed?.(token);
      } catch (problem) {
        input.checked = before !== 'inactive';
        show(before);
        if (problem) showError(problem);
        // The change may or may not have been made.
        if (problem && !(problem.status < 500 && problem.status)) await get(`tokens/${token.id}`).then((now) => {
          Object.assign(token, now);
          show(now.status);
          input.checked = now.status !== 'inactive';
        }, () => {});
      }
      input.removeAttribute('aria-busy');
    },
  });
  return h('span.toggle', h('label.hit', input), text);
};

const confirmSignOut = async (what) => {
  const { ask, cancel } = await loadModule('dialog');
  return (await ask({
    test: 'ends-session', title: t('own.title'), body: [h('p', t(`own.${what}`))],
    actions: [{ ...cancel(), focus: true }, { name: 'go', text: t('own.go'), kind: 'danger' }],
  })) === 'go';
};

/** Whether this session can change tokens; one opened with a read-only token cannot. */
export const canWrite = (me) => me?.can('tokens:write') ?? true;

/** The actions of a token. */
export const actions = (token, { me, reload }) => {
  if (!canWrite(me)) return [];
  return isDead(token)
    ? [h('a.button.small@duplicate', { href: page('create', { from: token.id }), 'aria-label': t('token.duplicate_named', { name: token.name }) }, t('token.duplicate'))]
    : [
        h('button.small@rotate', { 'aria-label': t('rotate.named', { name: token.name }),
          onclick: () => useModule('rotate', ({ rotate }) => rotate(token, { me, done: reload })) }, icon('rotate'), t('rotate')),
        h('button.small.danger-text@revoke', { 'aria-label': t('revoke.named', { name: token.name }),
          onclick: () => useModule('revoke', ({ revoke }) => revoke(token, { me, done: reload })) }, icon('revoke'), t('revoke')),
      ];
};

export const COLUMNS = ['name', 'access', 'expires', 'used', 'status', 'actions'];

/** The common columns of a token. */
export const cells = (token) => [cell('access', chips(token.scopes, 4)), cell('expires', expiry(token)), cell('used', lastUse(token))];

/** A row of the user's own tokens. */
export const row = (token, { me, reload, fresh }) =>
  h('tr@token', { role: 'row', 'data-id': token.id, class: [isDead(token) && 'dead', fresh && 'fresh'].filter(Boolean).join(' ') },
    h('th', { role: 'rowheader', scope: 'row' },
      h('a', { href: page('token', { id: token.id }), class: 'name', 'data-test': 'name' }, bdi(token.name)),
      tokenLabel(token), me?.token?.id === token.id && h('span.chip.quiet@own', t('own.chip')), revocation(token, me)),
    cells(token),
    cell('status', toggle(token, { me })),
    h('td.buttons', { role: 'cell' }, actions(token, { me, reload })));
