// The tokens of whoever signed in.

import { complain, get, page, start } from './app.js';
import { rows } from './rows.js';
import { carry, h, icon, t } from './ui.js';

const { main, me: identity } = await start('tokens');

const TABS = ['all', 'active', 'inactive', 'pending', 'expired', 'revoked'];
const SORTS = ['-created_at', 'name', 'expires_at', '-last_used_at'];
const asked = new URLSearchParams(location.search).get('status');
const state = { status: TABS.includes(asked) ? asked : 'all', search: '', sort: SORTS[0], cursor: null };

const tabs = TABS.map((name) =>
  h('button', { type: 'button', 'data-test': `tab-${name}`, 'aria-pressed': String(name === state.status), onclick: () => choose(name) }, t(`status.${name}`)));
const total = h('p', { class: 'muted total', role: 'status', 'data-test': 'total' }, '\u00a0');
const place = h('div', { class: 'list', 'data-test': 'list' });
const more = h('button', { type: 'button', class: 'more', hidden: true, 'data-test': 'more', onclick: () => load(true) }, t('list.more'));

/** What to look for when a shown form or, by mistake, a whole secret is pasted: a secret goes into no address. */
const searchable = (text) => {
  const [before, after] = text.trim().split(/…|\.{3}/);
  const wanted = before.trim() || (after ?? '').trim();
  if (!/^\S{40,}$/.test(wanted)) return wanted;
  const [publicPart] = /^\S*_[A-Za-z0-9]{12}/.exec(wanted.slice(0, wanted.lastIndexOf('_') + 13)) ?? [wanted.slice(0, 12)];
  return publicPart;
};

const search = h('input', {
  type: 'search', id: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: t('tokens.search'), 'aria-label': t('tokens.search'),
  'data-test': 'search',
  oninput: () => {
    clearTimeout(search.timer);
    search.timer = setTimeout(() => {
      const wanted = searchable(search.value);
      if (wanted !== search.value.trim() && search.value.trim().length >= 40) search.value = wanted;
      state.search = wanted;
      load();
    }, 250);
  },
});
const sort = h('select', { 'aria-label': t('tokens.sort'), 'data-test': 'sort', onchange: () => { state.sort = sort.value; load(); } },
  SORTS.map((value) => h('option', { value }, t(`sort.${value.replace('-', '')}`))));

const choose = (name) => {
  state.status = name;
  tabs.forEach((tab, index) => tab.setAttribute('aria-pressed', String(TABS[index] === name)));
  history.replaceState(null, '', name === 'all' ? './' : `./?status=${name}`);
  load();
};

main.append(
  h('div', { class: 'head' },
    h('div', {}, h('h1', {}, t('tokens.heading')), h('p', { class: 'muted' }, t('tokens.lead'))),
    h('a', { class: 'button primary', href: page('create'), 'data-test': 'new-token' }, icon('plus'), t('tokens.new'))),
  h('div', { class: 'tools' },
    h('div', { class: 'tabs', role: 'group', 'aria-label': t('tokens.filter') }, tabs),
    h('div', { class: 'find' }, search, sort)),
  total, place, more);

const empty = () => {
  if (state.search) return h('div', { class: 'empty', 'data-test': 'no-match' }, h('h2', {}, t('tokens.no_match')), h('p', {}, t('tokens.no_match_hint')));
  if (state.status !== 'all') return h('div', { class: 'empty', 'data-test': 'none' }, h('h2', {}, t('tokens.none_here')), h('p', {}, t(`tokens.none.${state.status}`)));
  return h('div', { class: 'empty', 'data-test': 'empty' }, icon('key'), h('h2', {}, t('tokens.empty')), h('p', {}, t('tokens.empty_what')),
    h('a', { class: 'button primary', href: page('create') }, icon('plus'), t('tokens.first')));
};

const skeleton = () => h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: 6 }, () => h('div', {})));

let asks = 0;
const load = async (further = false) => {
  const ask = (asks += 1);
  more.disabled = true;
  place.setAttribute('aria-busy', 'true');
  try {
    const answer = await get('tokens', {
      status: state.status === 'all' ? '' : state.status, search: state.search, sort: state.sort, limit: '25', cursor: further ? state.cursor : '',
    });
    if (ask !== asks) return;
    const me = await identity.catch(() => null);
    show(answer, further, me);
  } catch (problem) {
    if (ask !== asks) return;
    complain(problem);
    if (!further) place.replaceChildren(h('div', { class: 'empty' }, h('h2', {}, t('list.failed')), h('button', { type: 'button', onclick: () => load() }, t('retry'))));
  } finally {
    more.disabled = false;
    place.removeAttribute('aria-busy');
  }
};

const fresh = carry('fresh');
carry('fresh', null);
const reload = () => load();
const show = (answer, further, me) => {
  state.cursor = answer.next_cursor;
  total.textContent = t('tokens.total', { count: answer.total });
  const drawn = answer.data.map((token) => rows.one(token, { me, reload, fresh: token.id === fresh }));
  if (further) {
    place.querySelector('tbody').append(...drawn);
    drawn[0]?.querySelector('a').focus();
  } else place.replaceChildren(drawn.length ? rows.table(drawn) : empty());
  more.hidden = !state.cursor;
};

place.append(skeleton());
load();
