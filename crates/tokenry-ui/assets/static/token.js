// One token: attributes, usage and history.

import { get, loadModule, page, required, showError, start, useModule } from './app.js';
import { actions, canWrite, chips, expiry, isDead, lastUse, revocation, skeleton, toggle, tokenLabel } from './list.js';
import { DAY, bdi, exact, formatted, h, icon, number, put, svg, t, time } from './ui.js';

const { main, me: identity } = await start('token');
const id = new URLSearchParams(location.search).get('id') ?? '';
const path = `tokens/${encodeURIComponent(id)}`;

const area = h('div.form', skeleton());
main.append(h('a.back', { href: page('tokens') }, icon('back'), t('title.tokens')), area);

const fact = (label, ...value) => [h('dt', t(label)), h('dd', ...value)];
const facts = (token, me) =>
  h('dl.facts@facts',
    fact('column.status', toggle(token, { me, changed: load }), revocation(token, me)),
    fact('form.access', chips(token.scopes), token.effective_scopes.join() !== token.scopes.join() && h('p.hint', t('token.effective', { scopes: token.effective_scopes.join(', ') || t('level.none') }))),
    fact('column.expires', expiry(token), token.expires_at && h('span.muted', ` · ${exact(token.expires_at)}`)),
    token.not_before && fact('form.start', time(token.not_before)),
    fact('column.used', lastUse(token)),
    fact('form.ips', token.allowed_ips.length ? chips(token.allowed_ips) : t('token.anywhere')),
    token.description && fact('form.description', h('span.lines', bdi(token.description))),
    Object.keys(token.metadata).length > 0 && fact('form.note', h('code', bdi(JSON.stringify(token.metadata)))),
    fact('column.created', time(token.created_at)),
    fact('token.id', h('code', token.id)));

// Usage.
const CLASSES = ['2', '3', '4', '5'];
const RANGES = [1, 7, 30, 90];
const classOf = (code) => CLASSES.find((first) => String(code).startsWith(first)) ?? '2';
const CHART = { unit: 720, height: 200, bottom: 20, left: 44 };

/** Sums of the hourly counts: per local hour for one day, otherwise per local day. */
const bars = ({ from, to, hours }, range) => {
  const floor = (at) => {
    const date = new Date(at);
    if (range === 1) date.setMinutes(0, 0, 0);
    else date.setHours(0, 0, 0, 0);
    return date.getTime();
  };
  const sums = new Map();
  const next = (at) => (range === 1 ? at + 3_600_000 : floor(at + DAY * 1.5));
  for (let at = floor(from); at < new Date(to).getTime(); at = next(at)) sums.set(at, { at, 2: 0, 3: 0, 4: 0, 5: 0 });
  for (const { hour, status: code, count } of hours) {
    const sum = sums.get(floor(hour));
    if (sum) sum[classOf(code)] += count;
  }
  return [...sums.values()];
};
const totalOf = (bar) => CLASSES.reduce((sum, name) => sum + bar[name], 0);

const chart = (drawn, label) => {
  const { height, bottom, left } = CHART;
  const width = Math.max(280, Math.min(CHART.unit * 1.6, area.clientWidth - 42));
  const max = Math.max(...drawn.map(totalOf), 1);
  const step = (width - left) / drawn.length;
  const y = (value) => (height - bottom) * (1 - value / max) + (value === max ? 6 : 0);
  const interval = Math.ceil(drawn.length / Math.max(2, Math.floor(width / 90)));
  const line = (value) => [svg('line', { class: 'grid', x1: left, x2: width, y1: y(value), y2: y(value) }), svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, number(value))];
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': t('usage.chart'), 'data-test': 'chart' },
    line(0), max > 1 && line(Math.round(max / 2)), line(max),
    drawn.map((bar, index) => {
      let top = 0;
      const x = left + index * step;
      return svg('g', {}, svg('title', {}, `${label(bar.at)}: ${number(totalOf(bar))}`),
        CLASSES.filter((name) => bar[name]).map((name) => {
          top += bar[name];
          return svg('rect', { class: `s${name}`, x: x + step * 0.12, width: step * 0.76, y: y(top), height: Math.max(1, y(top - bar[name]) - y(top)) });
        }),
        index % interval === 0 && x < width - 48 && svg('text', { x, y: height - 4 }, label(bar.at)));
    }));
};

const numbers = (head, body, caption) =>
  h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': caption }, h('table.plain', h('caption.sr', caption),
    h('thead', h('tr', head.map((text, index) => h('th', { scope: 'col', class: index && 'number' }, text)))),
    h('tbody', body.map((line) => h('tr', line.map((value, index) => h(index ? 'td' : 'th', { scope: index ? undefined : 'row', class: index && 'number' }, value)))))));

const usage = h('section.card.chart@usage', { 'aria-labelledby': 'usage-title' });
/** Renders `container` again; the focus moves to the replacement of the focused element. */
const redraw = (container, ...children) => {
  const { test } = container.contains(document.activeElement) ? document.activeElement.dataset : {};
  put(container, ...children);
  if (test) (container.querySelector(`[data-test="${test}"]`) ?? main).focus({ preventScroll: true });
};

const loadUsage = async (range = 30) => {
  const select = h('select@usage-range', { 'aria-label': t('usage.range'), onchange: () => loadUsage(Number(select.value)) },
    RANGES.map((count) => h('option', { value: count, selected: count === range }, t('usage.days', { count }))));
  const head = h('div.line.spread', h('h2', { id: 'usage-title' }, t('usage.title')), select);
  try {
    const to = new Date();
    const answer = await get(`${path}/usage/summary`, { from: new Date(to - range * DAY).toISOString(), to: to.toISOString() });
    const label = (at) => formatted(at, range === 1 ? { hour: 'numeric', minute: '2-digit' } : { month: 'short', day: 'numeric' });
    const drawn = bars(answer, range);
    const unused = answer.scopes.filter((scope) => !scope.last_used_at);
    redraw(usage, head, h('p.muted@usage-total', { role: 'status' }, t('usage.total', { count: answer.total_count })),
      answer.total_count > 0 && [
            chart(drawn, label),
            h('div.legend', CLASSES.map((name) => h('span', h('i', { class: `s${name}` }), t(`usage.s${name}`)))),
            h('details@usage-numbers', h('summary', t('usage.numbers')),
              numbers([t('usage.when'), ...CLASSES.map((name) => `${name}xx`)], drawn.filter(totalOf).map((bar) => [label(bar.at), ...CLASSES.map((name) => number(bar[name]))]), t('usage.numbers'))),
            h('h3', t('usage.routes')),
            numbers([t('usage.route'), t('usage.count'), t('column.used')], answer.routes.map(({ method, route, count, last_at: at }) => [bdi(`${method} ${route}`.trim() || '–'), number(count), time(at)]), t('usage.routes')),
            h('h3', t('usage.addresses')),
            numbers([t('usage.address'), t('usage.count'), t('column.used')], answer.addresses.map(({ ip, user_agent: agent, count, last_at: at }) => [[bdi(ip ?? '–'), agent && h('div.hint', bdi(agent))], number(count), time(at)]), t('usage.addresses')),
          ],
      unused.length > 0 && h('div.field@unused', h('h3', t('usage.unused')), chips(unused.map(({ scope }) => scope)), h('p.hint', t('usage.unused_hint'))));
  } catch (problem) {
    showError(problem);
    redraw(usage, head, h('p', problem.text));
  }
};

// History: the cursor of the next page, empty before the first.
let next = '';
const more = h('button.more@history-more', { hidden: true, onclick: () => loadMore() }, t('list.more'));
const history = h('details.card@history', { ontoggle: () => history.open && next === '' && loadMore() },
  h('summary', h('h2.inline', t('history.title'))), h('ol.events', { role: 'list' }), more);
const loadMore = async () => {
  if (more.disabled) return;
  more.disabled = true;
  try {
    const [{ event }, me, answer] = await Promise.all([loadModule('events'), identity, get(`${path}/events`, { limit: '25', cursor: next })]);
    history.querySelector('ol').append(...answer.data.map((entry) => event(entry, me)));
    next = answer.next_cursor;
    more.hidden = !next;
  } catch (problem) {
    showError(problem);
  }
  more.disabled = false;
};

const notice = h('p.note@old-secret', { hidden: true });
const onRotated = (text = notice.textContent) => {
  notice.hidden = !text;
  notice.textContent = text;
  load();
};

async function load() {
  try {
    const [token, me] = await Promise.all([get(path), identity]);
    document.title = `${token.name} · Tokenry`;
    const head = h('div.head',
      h('div', h('h1@token-name', bdi(token.name)), h('p', tokenLabel(token), me.token?.id === token.id && h('span.chip.quiet', t('own.chip')))),
      h('div.actions',
        !isDead(token) && canWrite(me) && [h('a.button', { href: page('create', { from: id }), 'data-test': 'duplicate' }, t('token.duplicate')),
          h('button@edit', { onclick: () => useModule('edit', ({ edit }) => edit(token, { me, done: load })) }, t('edit'))],
        actions(token, { me, reload: onRotated })));
    const isFirst = !usage.isConnected;
    redraw(area, head, notice, h('section.card', facts(token, me)), usage, !isFirst && history);
    // Placed below content that is still loading, to avoid layout shifts.
    if (isFirst) loadUsage().then(() => usage.after(history));
  } catch (problem) {
    if (problem.status === 404) area.replaceChildren(h('div.empty@not-found', h('h1', t('token.missing'))));
    else if (!usage.isConnected) required(area, Promise.reject(problem));
    showError(problem);
  }
}
load();
