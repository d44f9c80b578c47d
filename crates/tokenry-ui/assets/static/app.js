// Requests, the session, and the layout of every page.

import { bdi, clock, distance, h, has, icon, language, setTheme, setting, stash, t, theme, tNodes } from './ui.js';

/** A request that failed or got no response. */
export class Problem extends Error {
  constructor({ status = 0, code = 'no_answer', detail = '', errors = [], retryAfter = null }) {
    super(detail);
    Object.assign(this, { status, code, detail, errors, retryAfter });
  }

  /** The message for users: in English the server's text, otherwise a translation followed by it. */
  get text() {
    if (this.code === 'rate_limited' || this.code === 'token_rate_limited' || this.status === 429) {
      const at = Date.now() + (this.retryAfter ?? 60) * 1000;
      return t('problem.rate_limited', { when: distance(at), clock: clock(at) });
    }
    const key = `problem.${this.code}`;
    const details = this.errors.map(({ detail }) => sentence(detail)).join(' ') || this.detail;
    if (!details) return t(has(key) ? key : 'problem.other', { status: String(this.status) });
    return language === 'en' || !has(key) ? sentence(details) : t('problem.with', { text: t(key), words: details });
  }
}

/** The server's text as a sentence. */
export const sentence = (text) => {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?。)]$/.test(whole) ? whole : `${whole}.`;
};

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

const send = (method, path, { body, headers } = {}) =>
  fetch(path, {
    method,
    headers: {
      'X-Tokenry-Request': '1',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'manual',
  });

// The API of the user's own tokens may have another path and other names of fields; everything else here uses the
// default ones.
const TOKENS = 'api/v1/tokens';
const { tokens: tokensPath = TOKENS, fields = '', scopes: format } = document.documentElement.dataset;
const NAMES = fields.split(' ').filter(Boolean).map((pair) => pair.split('='));
const mountNames = new Map(NAMES);
const defaultNames = new Map(NAMES.map(([field, name]) => [name, field]));
const renamed = (object, names) => Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
/** The body of a request of that API. */
const encode = (body) =>
  renamed(format && body.scopes ? { ...body, scopes: body.scopes.join(' ') } : body, mountNames);
/** The body of its response. */
const decode = (body) => {
  const { data, scopes, effective_scopes: effective, ...rest } = renamed(body, defaultNames);
  const list = (value) => (typeof value === 'string' ? value.split(' ').filter(Boolean) : value);
  const all = { ...rest, data: data?.map?.(decode), scopes: list(scopes), effective_scopes: list(effective) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};
/** Its errors point to fields. */
const readError = (error) => {
  const [, name, ...rest] = error.pointer.split('/');
  return { ...error, pointer: ['', defaultNames.get(name) ?? name, ...rest].join('/') };
};
const isOfTokens = (path) => path === TOKENS || path.startsWith(`${TOKENS}/`);
const isRenamed = (path) => (NAMES.length || format) && isOfTokens(path) && !/\/(usage|events)/.test(path);

const problemOf = async (response) => {
  const words = (response.headers.get('Content-Type') ?? '').includes('json') ? await response.json().catch(() => ({})) : {};
  const seconds = Number(response.headers.get('Retry-After'));
  return new Problem({ ...words, code: words.code ?? 'other', status: response.status, retryAfter: seconds || null });
};

// While the server is unreachable, one banner is shown and one loop polls it; all reads wait for that loop.
let waiting = null;
const reconnect = () => {
  waiting ??= (async () => {
    const banner = h('div.banner@offline', { role: 'alert' }, icon('warn'), t('offline.banner'));
    document.body.prepend(banner);
    for (let wait = 1000; ; wait = Math.min(wait * 2, 15_000)) {
      await Promise.race([sleep(wait), new Promise((resolve) => addEventListener('online', resolve, { once: true }))]);
      if (await send('GET', 'session').then(() => true, () => false)) break;
    }
    banner.remove();
    waiting = null;
  })();
  return waiting;
};

/**
 * Sends a request and returns the body. GETs are retried until the server is reachable, writes are sent once.
 * Throws a `Problem`; a 401 also opens the dialog that leads to the sign-in page.
 */
export const api = async (method, path, options = {}) => {
  const query = new URLSearchParams(Object.entries(options.query ?? {}).filter(([, value]) => value));
  const at = isOfTokens(path) ? tokensPath + path.slice(TOKENS.length) : path;
  const target = query.size ? `${at}?${query}` : at;
  const names = isRenamed(path);
  if (names && options.body) options = { ...options, body: encode(options.body) };
  for (let tries = 0; ; tries += 1) {
    let response;
    try {
      response = await send(method, target, options);
    } catch {
      const back = reconnect();
      if (method !== 'GET') throw new Problem({});
      await back;
      continue;
    }
    // A redirect to a proxy's own sign-in page also ends the session.
    const isEnded = response.status === 401 || response.type === 'opaqueredirect';
    if (isEnded && !options.signingIn) {
      sessionEnded();
      throw new Problem({ status: 401, code: 'session_ended' });
    }
    if (!response.ok) {
      const problem = await problemOf(response);
      if (names) problem.errors = problem.errors.map(readError);
      throw problem;
    }
    if (response.status === 204) return null;
    // The connection can be lost within the body.
    const body = await response.json().catch(() => undefined);
    if (body !== undefined) return names ? decode(body) : body;
    if (method !== 'GET' || tries === 2) throw new Problem({});
    await sleep(1000);
  }
};

export const get = (path, query) => api('GET', `api/v1/${path}`, { query });

// Pages.
const PAGES = ['tokens', 'create', 'token', 'users', 'inventory', 'audit', 'policy'];
/** The relative URL of a page. */
export const page = (name, query) => {
  const search = query ? `?${new URLSearchParams(query)}` : '';
  return `./${name === 'tokens' ? '' : name}${search}`;
};
const thisPage = () => PAGES.find((name) => location.pathname.endsWith(`/${name}`)) ?? 'tokens';
/** The page that the URL asks for, or that was asked for before the browser went to a provider; not verified. */
export const thisNext = () => new URLSearchParams(location.search).get('next') ?? stash('next');
/** The target after sign-in: only a page of the list above with its query. */
export const nextPage = () => {
  const [, name, search] = /^([a-z]+)(?:\?(.+))?$/.exec(thisNext()) ?? [];
  return PAGES.includes(name) ? page(name, search) : page('tokens');
};
const signInPage = () => `./sign-in?${new URLSearchParams({ next: thisPage() + location.search })}`;

// Form input that is kept while the same user signs in again; never a secret.
let getDraft = () => null;
let userId;
export const keepDraft = (get) => { getDraft = get; };
export const takeDraft = () => {
  const text = stash(`draft.${thisPage()}`);
  stash(`draft.${thisPage()}`, null);
  const { by, kept } = JSON.parse(text) ?? {};
  return by === userId ? kept : null;
};
const navigate = (target) => {
  const kept = getDraft();
  if (kept) stash(`draft.${thisPage()}`, JSON.stringify({ by: userId, kept }));
  if (target) location.assign(target);
  else location.reload();
};

// A page restored from the browser's cache may belong to a signed-out user or contain a cleared dialog.
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  document.body.replaceChildren();
  navigate();
});

let ended = false;
const sessionEnded = async () => {
  if (ended) return;
  ended = true;
  try {
    const { ask } = await loadModule('dialog');
    const answer = await ask({
      test: 'session-ended',
      title: t('ended.title'),
      body: [h('p', t('ended.body'), getDraft() && [' ', t('ended.kept')])],
      actions: [{ name: 'later', text: t('ended.later') }, { name: 'sign-in', text: t('ended.sign_in'), kind: 'primary', focus: true }],
    });
    if (answer === 'sign-in') navigate(signInPage());
  } catch {
    notify([t('problem.session_ended'), h('button.small@ended-sign-in', { onclick: () => navigate(signInPage()) }, t('ended.sign_in'))], 'bad');
  } finally {
    ended = false;
  }
};

/** Announces a result to screen readers and shows it for a few seconds. */
export const notify = (text, kind = 'good') => {
  const region = document.querySelector(kind === 'bad' ? '#alerts' : '#results');
  const toast = h('p', { class: `toast ${kind}`, 'data-test': 'toast' }, icon(kind === 'bad' ? 'warn' : 'check'), text,
    kind === 'bad' && h('button.ghost.small', { onclick: () => toast.remove() }, t('close')));
  if (kind === 'bad') region.replaceChildren();
  region.append(toast);
  if (kind !== 'bad') setTimeout(() => toast.remove(), 6000);
};
/** Shows a problem, unless a dialog already shows it. */
export const showError = (problem) => {
  if (!(problem instanceof Problem)) reportError(problem);
  if (problem.code !== 'session_ended') notify(problem.text ?? t('problem.load'), 'bad');
};
const retries = {};
// Chromium remembers the address of a module that failed to load, so the next attempt uses another one. The address is
// not passed on to imports: such a module imports only `ui.js`, `app.js` and `list.js`, which the page itself has loaded.
const load = (name) => import(`./${name}.js${retries[name] ?? ''}`).catch((error) => {
  retries[name] = `?${Date.now()}`;
  throw error;
});
/** Loads a module before it is used, while the server still has the files of this version; a failure has no effect. */
export const preload = (name) => { load(name).catch(() => {}); };
/** Loads a module on first use; a failure means that the connection is lost. */
export const loadModule = (name) => load(name).catch(() => {
  reconnect();
  throw new Problem({ code: 'load' });
});
let isBusy = false;
/** Runs an action with such a module and shows its errors; one at a time, so that a double click runs it once. */
export const useModule = async (name, run) => {
  if (isBusy) return;
  isBusy = true;
  await loadModule(name).then(run).catch(showError);
  isBusy = false;
};
/** Waits for required data; on failure `container` shows the reason and a button that reloads the page. */
export const required = (area, promise) => promise.catch((problem) => {
  if (!(problem instanceof Problem)) reportError(problem);
  area.replaceChildren(h('div.empty@failed', h('h2', problem.text ?? t('problem.load')), h('button@retry', { onclick: () => navigate() }, t('retry'))));
  return new Promise(() => {});
});

// The signed-in user.
const includes = (scopes, scope) => {
  const [resource, level] = scope.split(':');
  const levels = ['read', 'write', 'admin'];
  return scopes.some((given) => {
    const [of, upTo] = given.split(':');
    return given === '*' || (of === resource && (upTo === level || levels.indexOf(upTo) > levels.indexOf(level)));
  });
};

/** The signed-in user and their permissions; `token` is the token they signed in with, if any. */
const loadUser = async (session) => {
  const token = session.token_id && (await get(`tokens/${session.token_id}`).catch(() => null));
  const scopes = token ? token.effective_scopes : (await get('me')).scopes;
  return { ...session.user, credential: session.credential, token, scopes, can: (scope) => includes(scopes, scope) };
};

// The layout.
const select = (name, label, options, current, change) =>
  h('label', h('span', label),
    h('select', { 'data-test': name, onchange: (event) => change(event.target.value) },
      options.map(([value, text]) => h('option', { value, selected: value === current }, text))));

/** The menu of language and theme. */
export const preferences = () => [
  select('language', t('menu.language'), [['en', 'English'], ['zh', '简体中文']], language, (value) => {
    setting('language', value);
    navigate();
  }),
  select('theme', t('menu.theme'), ['system', 'light', 'dark'].map((value) => [value, t(`theme.${value}`)]), theme(), setTheme),
];

const link = (name, current) =>
  h('a', { href: page(name), 'data-test': `nav-${name}`, 'aria-current': name === current && 'page' }, t(`title.${name}`));

const account = () => {
  const details = h('details.menu@account',
    h('summary', h('span.who@who', '\u00a0')),
    h('div.menu-body', h('p.muted@signed-in-as'), preferences(),
      h('button@sign-out', { onclick: signOut }, t('menu.sign_out'))));
  const close = () => { details.open = false; };
  document.addEventListener('click', (event) => details.contains(event.target) || close());
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !details.open) return;
    close();
    details.querySelector('summary').focus();
  });
  return details;
};

// Where the provider of the sign-in signs the user out too.
let providerSignOut = null;
const signOut = async () => {
  try {
    await api('DELETE', 'session', { signingIn: true });
    location.assign(providerSignOut ?? './sign-in');
  } catch (problem) {
    showError(problem);
  }
};

/** Header, skip link, `<main>` and the regions for messages. */
export const layout = (name, ...header) => {
  document.title = `${t(`title.${name}`)} · Tokenry`;
  const main = h('main', { id: 'main', tabindex: '-1', class: name });
  document.body.replaceChildren(
    h('a.skip', { href: '#main' }, t('skip')),
    h('header.top', h('a.brand', { href: './' }, icon('key'), 'Tokenry'), header),
    main,
    h('div.toasts', { id: 'results', role: 'status', 'aria-live': 'polite' }),
    h('div.toasts', { id: 'alerts', role: 'alert' }),
  );
  return main;
};

const notice = stash('say');
/** A message for the next page. */
export const notifyNext = (text) => stash('say', text);

/** Renders the layout, then loads the session; without one it redirects to the sign-in page and never returns. */
export const start = async (name) => {
  const nav = h('nav', { 'aria-label': t('nav.label') }, link('tokens', ['create', 'token'].includes(name) ? 'tokens' : name));
  const menu = account();
  const main = layout(name, nav, menu);
  const { session } = await required(main, api('GET', 'session'));
  if (!session) {
    location.replace(signInPage());
    await new Promise(() => {});
  }
  userId = session.user.id;
  providerSignOut = session.provider_sign_out_url;
  menu.querySelector('.who').replaceChildren(bdi(session.user.name || session.user.subject));
  const ready = loadUser(session).then((me) => {
    if (me.can('admin:read')) nav.append(...['users', 'inventory', 'audit', 'policy'].map((page) => link(page, name)));
    const how = me.token ? bdi(me.token.name) : t(`menu.by.${me.credential}`);
    menu.querySelector('p').replaceChildren(...tNodes('menu.as', { role: bdi(me.role), how }));
    return me;
  });
  // Not by scrollIntoView, after which Chromium begins the order of Tab at the link.
  nav.scrollLeft = nav.querySelector('[aria-current]')?.offsetLeft ?? 0;
  ready.catch(() => {});
  if (notice) {
    stash('say', null);
    notify(notice);
  }
  return { main, me: ready };
};
