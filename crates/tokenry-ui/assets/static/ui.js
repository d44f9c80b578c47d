// Building blocks of all pages: elements, language, theme, times. Text becomes text nodes, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = ['value', 'checked', 'disabled', 'hidden', 'textContent'];

const setUp = (element, props, children) => {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (PROPERTIES.includes(key)) element[key] = value;
    else if (value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

/**
 * Creates an element: `tag.class@test`, then optional properties, then children. `on…` properties are listeners, lists
 * of children may be nested, `null` and `false` are omitted. A button submits only with an explicit `type`; autofill is
 * disabled.
 */
export const h = (selector, ...rest) => {
  const [path, test] = selector.split('@');
  const [tag, ...classes] = path.split('.');
  const hasProperties = rest[0] && Object.getPrototypeOf(rest[0]) === Object.prototype;
  const { class: more, ...props } = hasProperties ? rest.shift() : {};
  const element = document.createElement(tag);
  const names = [...classes, more].filter(Boolean);
  if (names.length) element.className = names.join(' ');
  if (test) element.dataset.test = test;
  if (tag === 'button') element.type = 'button';
  if (tag === 'input') Object.assign(element, { autocomplete: 'off', spellcheck: false });
  return setUp(element, props, rest);
};

/** Replaces the children of an element. */
export const put = (element, ...children) => {
  element.replaceChildren();
  return setUp(element, null, children);
};

/** `h` for SVG. */
export const svg = (tag, props, ...children) => setUp(document.createElementNS(SVG, tag), props, children);

const ICONS = {
  plus: 'M8 3v10M3 8h10',
  rotate: 'M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3',
  revoke: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M5 8h6',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8M8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4',
  key: 'M5.5 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8.5 8H14v2.5M11.5 8v2',
  warn: 'M8 2 1.5 13.5h13zM8 6.5v3M8 11.5v.1',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10M10.7 10.7 14 14',
  check: 'M3 8.5 6.5 12 13 4.5',
  back: 'M9.5 3.5 5 8l4.5 4.5',
};

/** A decorative icon, hidden from screen readers. */
export const icon = (name) =>
  svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: ICONS[name] }));

/** A warning with the text `key`; `test` is its `@test`, if any. */
export const warning = (key, test = '', values) => h(`p.note.warn${test}`, icon('warn'), h('span', t(key, values)));

/** Untrusted text, isolated so that its direction does not affect the surroundings. */
export const bdi = (text, props) => h('bdi', props, text);

// Stored preferences; private windows may not allow storage.
const stored = (store, key, value) => {
  try {
    return value === undefined ? store.getItem(key) : value === null ? store.removeItem(key) : store.setItem(key, value);
  } catch {
    return null;
  }
};
export const setting = (key, value) => stored(globalThis.localStorage, `tokenry.${key}`, value);
export const stash = (key, value) => stored(globalThis.sessionStorage, `tokenry.${key}`, value);

// Theme: the attribute restricts `color-scheme`, from which all colours derive.
export const theme = () => (['light', 'dark'].includes(setting('theme')) ? setting('theme') : 'system');
export const setTheme = (choice) => {
  setting('theme', choice);
  document.documentElement.dataset.theme = choice;
};
document.documentElement.dataset.theme = theme();

// Language.
const preferred = () => setting('language') ?? document.documentElement.dataset.language ?? navigator.language;
/** `en` or `zh`. */
export const language = /^zh/i.test(preferred()) ? 'zh' : 'en';
const locale = { en: /^en/i.test(navigator.language) ? navigator.language : 'en', zh: 'zh-CN' }[language];
document.documentElement.lang = language === 'zh' ? 'zh-Hans' : 'en';
/** Flattens nested keys with dots; the empty key is the text of the group itself. */
const flatten = (texts, before, into) => {
  for (const [name, text] of Object.entries(texts)) {
    const key = [before, name].filter(Boolean).join('.');
    if (typeof text === 'string') into[key] = text;
    else flatten(text, key, into);
  }
  return into;
};
const texts = await fetch(new URL(`./i18n/${language}.json`, import.meta.url)).then((answer) => (answer.ok ? answer.json() : Promise.reject())).catch(() => {
  const retry = Object.assign(document.createElement('button'), { textContent: 'Try again / 重试', onclick: () => location.reload() });
  document.body.append('Tokenry could not be loaded. / 无法加载 Tokenry。 ', retry);
  return new Promise(() => {});
});
const messages = flatten(texts, '', {});
const plural = new Intl.PluralRules(locale);

/** Whether the text `key` exists. */
export const has = (key) => key in messages;

const template = (key, values) => {
  const form = 'count' in values ? `${key}.${plural.select(values.count)}` : key;
  return messages[form] ?? messages[`${key}.other`] ?? messages[key] ?? key;
};
const formatValue = (value) => (typeof value === 'number' ? number(value) : value);

/** The text `key`, with `{name}` replaced by values; `count` chooses the plural. */
export const t = (key, values = {}) =>
  template(key, values).replace(/\{(\w+)\}/g, (_, name) => String(formatValue(values[name] ?? '')));

/** The same as a list of texts and elements, for values that are elements. */
export const tNodes = (key, values) =>
  template(key, values)
    .split(/\{(\w+)\}/)
    .map((part, index) => (index % 2 ? formatValue(values[part]) : part));

const numbers = new Intl.NumberFormat(locale);
export const number = (value) => numbers.format(value);
/** "a, b and c" in the reader's language. */
export const list = (texts) => new Intl.ListFormat(locale, { type: 'conjunction' }).format(texts);

// Times.
export const DAY = 86_400_000;
const format = (options) => new Intl.DateTimeFormat(locale, options);
const dates = format({ dateStyle: 'medium' });
const exacts = format({ dateStyle: 'medium', timeStyle: 'medium' });
const clocks = format({ timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(locale);
export const day = (at) => dates.format(new Date(at));
export const exact = (at) => exacts.format(new Date(at));
export const clock = (at) => clocks.format(new Date(at));
export const formatted = (at, options) => format(options).format(at);

/** "in 4 days", "3 minutes ago"; a date if it is more than 90 days away. */
export const distance = (at, now = Date.now()) => {
  const span = new Date(at).getTime() - now;
  const size = Math.abs(span);
  if (size >= 90 * DAY + DAY / 2) return day(at);
  const [unit, length] =
    size < 45_000 ? ['second', 1000] : size < 3_570_000 ? ['minute', 60_000] : size < 0.98 * DAY ? ['hour', 3_600_000] : ['day', DAY];
  return unit === 'second' && span < 500 ? t('time.now') : relative.format(Math.round(span / length), unit);
};

/** A time in words, exact on hover. */
export const time = (at, props) => h('time', { datetime: at, title: exact(at), ...props }, distance(at));

/** A span of seconds in its largest whole unit. */
export const span = (seconds) => {
  const [unit, size] = [['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]].find(([, size]) => seconds % size === 0);
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(seconds / size);
};

/** The end of a local day that an `<input type=date>` names. */
export const endOfDay = (text) => {
  const [year, month, date] = text.split('-').map(Number);
  return new Date(year, month - 1, date, 23, 59, 59, 999);
};
/** The value of an `<input type=date>` for the local day of an instant. */
export const dateValue = (at) => {
  const date = new Date(at);
  const two = (value) => String(value).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};
