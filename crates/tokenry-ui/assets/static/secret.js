// Shows a secret once. It exists only in this dialog, never in the URL or in storage, and is cleared on closing.

import { h, icon, t, warning } from './ui.js';

const DOTS = '•'.repeat(16);
const at = (path) => new URL(path, document.baseURI).href;
const quoted = (text) => JSON.stringify(text);
/** A name that is valid in every client's configuration. */
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'tokenry';
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const json = (value) => JSON.stringify(value, null, 2);

const server = (name, rest) => ({ [slug(name)]: { type: 'http', ...rest } });
/** Configuration snippets; `secret` is the secret or dots. Clients that can read it from the environment do so. */
const SNIPPETS = {
  curl: ({ url }) => `curl -H "Authorization: Bearer $TOKENRY_TOKEN" ${shell(url)}`,
  env: ({ secret }) => `export TOKENRY_TOKEN=${shell(secret)}`,
  mcp: ({ name, url }) => json({ mcpServers: server(name, { url, headers: { Authorization: 'Bearer ${TOKENRY_TOKEN}' } }) }),
  vscode: ({ name, url }) => json({
    inputs: [{ type: 'promptString', id: 'tokenry-token', description: 'Token', password: true }],
    servers: server(name, { url, headers: { Authorization: 'Bearer ${input:tokenry-token}' } }),
  }),
  codex: ({ name, url, secret }) =>
    `[mcp_servers.${slug(name)}]\nurl = ${quoted(url)}\nhttp_headers = { "Authorization" = "Bearer ${secret}" }\n# or, without the token in this file:\n# bearer_token_env_var = "TOKENRY_TOKEN"`,
};
const MCP = ['mcp', 'vscode', 'codex'];

/** Makes the browser confirm before the page is left, until the returned function is called: the only copy may be in transit. */
export const guard = () => {
  const confirmLeave = (event) => event.preventDefault();
  addEventListener('beforeunload', confirmLeave);
  return () => removeEventListener('beforeunload', confirmLeave);
};

/** Copies the value of `field`, or `text`, also without access to the clipboard; returns whether it was copied. */
const copyText = async (text, field) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A field outside a modal dialog cannot be selected and the clipboard would not change, so only a visible field is used.
    if (!field) return false;
    const hidden = field.type === 'password';
    if (hidden) field.type = 'text';
    field.focus();
    field.select();
    const done = document.execCommand('copy');
    if (hidden) field.type = 'password';
    return done;
  }
};

/** A button that copies the result of `getText()`; `field` has the same text; `copied` is called afterwards. */
const copyButton = ({ getText, field, label, test, copied, kind = '' }) => {
  const text = h('span', label ?? t('copy'));
  const state = h('span.sr', { role: 'status' });
  const button = h('button', { class: kind, 'data-test': test }, icon('copy'), text, state);
  let timer;
  button.addEventListener('click', async () => {
    const given = getText();
    if (!given) return;
    const done = await copyText(given, field?.());
    const words = t(done ? 'copied' : 'copy.failed');
    text.textContent = words;
    state.textContent = words;
    button.dataset.copied = String(done);
    clearTimeout(timer);
    timer = setTimeout(() => {
      text.textContent = label ?? t('copy');
      state.textContent = '';
      delete button.dataset.copied;
    }, 2500);
    if (done) copied?.();
  });
  return button;
};

/** Shows `issued.token` until the dialog is closed, and removes it from `issued`. */
export const showSecret = ({ issued, title, note }) =>
  new Promise((resolve) => {
    const { name } = issued;
    let secret = issued.token;
    delete issued.token;
    let isSaved = false;
    let isShown = false;
    let kind = 'curl';
    let typed;

    const value = h('input@secret', { type: 'password', value: secret, readonly: true, 'aria-label': t('secret.label'), oncopy: () => value.selectionEnd - value.selectionStart === secret.length && saved() });
    const show = h('button@secret-show', {
      'aria-pressed': 'false',
      onclick: () => {
        isShown = !isShown;
        value.type = isShown ? 'text' : 'password';
        show.setAttribute('aria-pressed', String(isShown));
        show.lastChild.textContent = t(isShown ? 'secret.hide' : 'secret.show');
        draw();
      },
    }, icon('eye'), h('span', t('secret.show')));
    const saved = () => {
      isSaved = true;
      release();
      unsaved.hidden = true;
      done.textContent = t('secret.done');
      done.className = 'primary';
    };
    const copy = copyButton({ getText: () => secret, field: () => value, test: 'secret-copy', kind: 'primary', copied: saved });

    const url = h('input@snippet-url', { type: 'url', id: 'snippet-url', oninput: () => { typed = url.value; draw(); } });
    const snippet = h('pre@snippet', { tabindex: '0', 'aria-label': t('secret.snippet') });
    const text = (shown) => SNIPPETS[kind]({ name, url: url.value, secret: shown });
    const draw = () => {
      url.value = typed ?? at(MCP.includes(kind) ? 'mcp' : 'api/v1/token');
      snippet.textContent = text(isShown ? secret : DOTS);
      hint.textContent = t(`snippet.${kind}_hint`);
      tabs.forEach((tab) => tab.setAttribute('aria-pressed', String(tab.dataset.kind === kind)));
    };
    const tabs = Object.keys(SNIPPETS).map((name) =>
      h('button', { 'data-kind': name, 'data-test': `snippet-${name}`, onclick: () => { kind = name; draw(); } }, t(`snippet.${name}`)));
    const hint = h('p.hint');
    const copySnippet = copyButton({ getText: () => text(secret), test: 'snippet-copy', kind: 'small', copied: () => text(secret).includes(secret) && saved() });

    const unsaved = h('p.note.bad@secret-unsaved', { role: 'alert', hidden: true }, icon('warn'), h('span', t('secret.unsaved')));
    let wasAsked = false;
    const close = () => {
      if (!isSaved && !wasAsked) {
        wasAsked = true;
        unsaved.hidden = false;
        done.textContent = t('secret.close_anyway');
        done.className = 'danger';
        copy.focus();
        return;
      }
      clear();
      dialog.close();
      dialog.remove();
      resolve();
    };
    const done = h('button@secret-done', { onclick: close }, t('secret.done'));

    const dialog = h('dialog.secret@secret-dialog', { closedby: 'none', 'aria-labelledby': 'secret-title' },
      h('h2', { id: 'secret-title' }, title),
      warning('secret.once'),
      note && h('p.note@secret-note', note),
      h('div.reveal', value, show, copy),
      h('h3', t('secret.use')),
      h('div.tabs', { role: 'group', 'aria-label': t('secret.use') }, tabs),
      h('div.field', h('label', { for: 'snippet-url' }, t('secret.url')), url),
      h('div.snippet', snippet, copySnippet), hint,
      unsaved,
      h('div.actions', done));
    // Chromium closes on a second Escape if only `cancel` is prevented.
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      if (!wasAsked || isSaved) close();
    });
    const release = guard();
    const clear = () => {
      secret = '';
      value.value = '';
      value.removeAttribute('value');
      snippet.textContent = '';
      release();
      removeEventListener('pagehide', clear);
    };
    addEventListener('pagehide', clear);
    draw();
    document.body.append(dialog);
    dialog.showModal();
    copy.focus();
  });
