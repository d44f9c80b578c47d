// Creation of a token.

import { api, get, keepDraft, loadModule, page, preload, required, showError, start, takeDraft } from './app.js';
import { accessPicker, clearErrors, entries, expiryPicker, field, focusError, group, setError, showProblem, summarize, summary } from './form.js';
import { DAY, h, icon, stash, t, warning } from './ui.js';

const { main, me: identity } = await start('create');
const link = new URLSearchParams(location.search);
const draft = takeDraft();
keepDraft(() => draft);

const body = h('div.card@create-card', h('div.skeleton', Array.from({ length: 8 }, () => h('div'))));
main.append(
  h('div', h('a.back', { href: page('tokens') }, icon('back'), t('title.tokens')), h('h1', t('title.create')), h('p.muted', t('create.lead'))),
  body);

/** The initial values of the form: earlier input, or else those of the link, which override the duplicated token. */
const initial = (source) => {
  if (draft) return draft;
  const span = source?.expires_at && Math.round((new Date(source.expires_at) - new Date(source.created_at)) / DAY);
  const note = source?.metadata?.note;
  return {
    name: link.get('name') ?? (source ? t('create.copy_of', { name: source.name }).slice(0, 100) : ''),
    description: source?.description ?? '',
    scopes: link.has('scopes') ? link.get('scopes').split(',').filter(Boolean) : source?.scopes,
    expiry: link.get('expires_in_days') ?? (span ? String(span) : source && !source.expires_at ? 'never' : undefined),
    ips: (source?.allowed_ips ?? []).join('\n'),
    note: typeof note === 'string' ? note : '',
    start: '',
  };
};

const build = ({ me, catalog, policy, source }) => {
  const first = initial(source);
  const changed = () => { refresh(); };
  const name = h('input', { id: 'name', value: first.name, maxlength: '200', required: true, oninput: changed });
  const access = accessPicker({ catalog, me, chosen: first.scopes ?? catalog.default_scopes, changed });
  const expiry = expiryPicker({ policy, me, chosen: /^\d{4}-/.test(first.expiry ?? '') ? 'date' : first.expiry, changed });
  if (/^\d{4}-/.test(first.expiry ?? '')) expiry.setDate(first.expiry);
  const description = h('textarea', { value: first.description, rows: '2' });
  const ips = h('textarea.mono', { value: first.ips || (me.token?.allowed_ips ?? []).join('\n'), rows: '2', placeholder: '10.0.0.0/8', oninput: changed });
  const note = h('input', { value: first.note });
  const startInput = h('input', { type: 'datetime-local', value: first.start });
  const line = h('p.sum@sum', { 'aria-live': 'polite' });
  const button = h('button.primary@create', { type: 'submit', disabled: !me.can('tokens:write') }, t('create.button'));
  const refresh = () => {
    const text = summarize({ scopes: access.value(), end: expiry.end(), ips: entries(ips.value) });
    if (line.textContent !== text) line.textContent = text;
  };
  const hasMore = first.description || first.ips || first.note || first.start;

  const form = h('form.form@create-form', { novalidate: true },
    summary(),
    !me.can('tokens:write') && warning('create.read_only', '@read-only'),
    access.rejected.length > 0 && warning('create.rejected', '@rejected', { scopes: access.rejected.join(', ') }),
    field('/name', t('form.name'), name, t('form.name_hint')),
    group('/expires_at', t('form.expiry'), expiry.element),
    group('/scopes', t('form.access'), access.element),
    h('details.more-options@more-options', { open: Boolean(hasMore) }, h('summary', t('form.more')), h('div.form',
      field('/description', t('form.description'), description, t('form.description_hint')),
      field('/allowed_ips', t('form.ips'), ips, t(me.token?.allowed_ips.length ? 'form.ips_hint_own' : 'form.ips_hint')),
      field('/not_before', t('form.start'), startInput, t('form.start_hint')),
      field('/metadata', t('form.note'), note, t('form.note_hint')))),
    line,
    h('div.actions', h('a.button', { href: page('tokens') }, t('cancel')), button));

  const check = () => {
    clearErrors(form);
    if (!name.value.trim()) setError(form, '/name', t('form.name_missing'));
    if (!access.value().length) setError(form, '/scopes', t('form.access_missing'));
    if (expiry.value() === undefined) setError(form, '/expires_at', t('form.date_missing'));
    focusError(form);
    return ![...form.querySelectorAll('.error')].some((error) => error.textContent);
  };

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled || !check()) return;
    const request = { name: name.value, scopes: access.value(), ...expiry.value() };
    if (description.value.trim()) request.description = description.value;
    const addresses = entries(ips.value);
    if (addresses.length) request.allowed_ips = addresses;
    if (startInput.value) request.not_before = new Date(startInput.value).toISOString();
    const metadata = { ...source?.metadata };
    delete metadata.note;
    if (note.value.trim()) metadata.note = note.value;
    if (Object.keys(metadata).length) request.metadata = metadata;
    button.disabled = true;
    let release;
    try {
      // Loaded first, so that a received secret can be shown without another request.
      const { guard, showSecret } = await loadModule('secret');
      release = guard();
      const created = await api('POST', 'api/v1/tokens', { body: request });
      keepDraft(() => null);
      const shown = showSecret({ issued: created, title: t('secret.created', { name: created.name }) });
      release();
      await shown;
      stash('fresh', created.id);
      location.assign(page('tokens'));
    } catch (problem) {
      release?.();
      button.disabled = false;
      if (!problem.code) throw problem;
      showProblem(form, problem, { scopes: request.scopes, allowed_ips: addresses });
    }
  });

  keepDraft(() => ({
    name: name.value, description: description.value, scopes: access.value(), expiry: expiry.choice(), ips: ips.value, note: note.value, start: startInput.value,
  }));
  // After the first rendering.
  form.addEventListener('input', () => preload('secret'), { once: true });
  refresh();
  body.replaceChildren(form);
  name.focus({ preventScroll: true });
};

const from = link.get('from');
const [me, catalog, policy, source] = await required(body, Promise.all([
  identity, get('scopes'), get('policy'), from && get(`tokens/${encodeURIComponent(from)}`).catch(showError),
]));
build({ me, catalog, policy, source });
