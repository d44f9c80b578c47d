// Lists that are loaded by pages: filters, a total, rows, "load more".

import { complain, get } from './app.js';
import { endOfDay, h, t } from './ui.js';

export const skeleton = () => h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: 6 }, () => h('div')));

export const empty = (title, ...children) => h('div', { class: 'empty', 'data-test': 'empty' }, h('h2', {}, title), children);

export const cell = (column, ...children) => h('td', { role: 'cell', 'data-label': column && t(`column.${column}`) }, children);

/** A table that becomes cards on small screens; without its roles it would be no table there any more. */
export const table = (caption, columns, drawn) =>
  h('table', { role: 'table', class: 'rows' }, h('caption', { class: 'sr' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((name) =>
      h('th', { role: 'columnheader', scope: 'col' }, h('span', { class: name === 'actions' && 'sr' }, t(`column.${name}`)))))),
    h('tbody', { role: 'rowgroup' }, drawn));

/** A list of `path`: `query()` gives the conditions, `row` draws one, `wrap` what is around the first page. */
export const lister = ({ path, query, row, wrap, none, total = 'list.total' }) => {
  const count = h('p', { class: 'muted total', role: 'status', 'data-test': 'total' }, '\u00a0');
  const place = h('div', { class: 'list', 'data-test': 'list' }, skeleton());
  const more = h('button', { type: 'button', class: 'more', hidden: true, 'data-test': 'more', onclick: () => load(true) }, t('list.more'));
  let cursor;
  let asks = 0;
  const load = async (further = false) => {
    const ask = (asks += 1);
    more.disabled = true;
    place.setAttribute('aria-busy', 'true');
    try {
      const answer = await get(path, { limit: '25', ...query(), cursor: further ? cursor : '' });
      if (ask !== asks) return;
      cursor = answer.next_cursor;
      if (answer.total !== undefined) count.textContent = t(total, { count: answer.total });
      const drawn = answer.data.map(row);
      if (further) {
        place.querySelector('tbody, .events').append(...drawn);
        drawn[0]?.querySelector('a, button')?.focus();
      } else place.replaceChildren(drawn.length ? wrap(drawn) : none());
      more.hidden = !cursor;
    } catch (problem) {
      complain(problem);
      if (!further && ask === asks) place.replaceChildren(empty(t('list.failed'), h('button', { type: 'button', onclick: () => load() }, t('retry'))));
    } finally {
      more.disabled = false;
      place.removeAttribute('aria-busy');
    }
  };
  return { nodes: [count, place, more], load: () => load() };
};

/** What to look for when a shown form or, by mistake, a whole secret is pasted: a secret goes into no address. */
const searchable = (text) => {
  const [before, after = ''] = text.trim().split(/…|\.{3}/);
  const wanted = before.trim() || after.trim();
  return /^\S{40,}$/.test(wanted) ? wanted.slice(0, Math.max(wanted.lastIndexOf('_') + 13, 12)).slice(0, 32) : wanted;
};

/** A search field that waits for a pause in typing. */
export const searchField = (label, changed) => {
  let timer;
  const field = h('input', {
    type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: label, 'aria-label': label, 'data-test': 'search',
    oninput: () => {
      const wanted = searchable(field.value);
      if (field.value.trim().length >= 40) field.value = wanted;
      clearTimeout(timer);
      timer = setTimeout(changed, 250);
    },
  });
  field.wanted = () => searchable(field.value);
  return field;
};

/** Filters: `[name, options]` is a choice, `[name]` a text, `[name, 'date']` a day; begins with what the address says. */
export const filters = (fields, changed) => {
  const given = new URLSearchParams(location.search);
  const controls = fields.map(([name, kind]) => {
    const first = given.get(name) ?? '';
    const shared = { 'data-test': `filter-${name}`, onchange: () => { remember(); changed(); } };
    return [name, kind, Array.isArray(kind)
      ? h('select', shared, kind.map(([value, text]) => h('option', { value, selected: value === first }, text)))
      : h('input', { type: kind ?? 'text', autocomplete: 'off', spellcheck: 'false', value: first, ...shared })];
  });
  const value = ([name, kind, control]) => {
    const text = control.value.trim();
    if (kind !== 'date' || !text) return [name, text];
    const end = endOfDay(text);
    return [name, (name === 'to' ? end : new Date(end.getFullYear(), end.getMonth(), end.getDate())).toISOString()];
  };
  const remember = () => {
    const set = controls.map(([name, , control]) => [name, control.value.trim()]).filter(([, text]) => text);
    history.replaceState(null, '', `${location.pathname}${set.length ? `?${new URLSearchParams(set)}` : ''}`);
  };
  return {
    element: h('div', { class: 'filters' }, controls.map(([name, , control]) => h('label', { class: 'field' }, h('span', {}, t(`filter.${name}`)), control))),
    query: () => Object.fromEntries(controls.map(value)),
  };
};

/** `[value, text]` of choices whose texts are `prefix.value`, "all" first. */
export const choice = (prefix, values) => [['', t('status.all')], ...values.map((value) => [value, t(`${prefix}.${value}`)])];
