// Sign-in with a token, at an OpenID provider or through a trusted proxy, or a hint for users of a JWT.

import { api, layout, nextPage, notifyNext, preferences, required, sentence, thisNext } from './app.js';
import { h, has, stash, t, warning } from './ui.js';

const main = layout('sign-in', h('div.choices', preferences()));
const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname) || location.hostname.endsWith('.localhost');
const isPlain = location.protocol !== 'https:' && !isLocal;

const error = h('p.error@token-error', { id: 'token-error', role: 'alert' });
const field = h('input', {
  id: 'token', name: 'token', type: 'password', required: true,
  'aria-describedby': 'token-hint token-error', 'data-test': 'token', autofocus: true,
  oninput: () => fail(''),
});
const button = h('button.primary.wide@sign-in', { type: 'submit' }, t('sign_in.button'));
const others = h('div.others');

const fail = (text) => {
  error.textContent = text;
  field.setAttribute('aria-invalid', String(Boolean(text)));
};

const CODES = ['invalid_token', 'authentication_required', 'insufficient_scope', 'invalid_request'];
const errorText = (problem) => (CODES.includes(problem.code) ? t(`sign_in.${problem.code}`) : problem.text);

// With a proxy, the user did not enter a token.
const proxyErrorText = (problem) =>
  problem.code === 'invalid_token' ? t('sign_in.no_account') : problem.code === 'invalid_request' ? problem.text : errorText(problem);

const signIn = async (headers) => {
  await api('POST', 'session', { headers, signingIn: true });
  notifyNext(t('sign_in.done'));
  location.replace(nextPage());
};

const withToken = async (event) => {
  event.preventDefault();
  const text = field.value.trim();
  const isSendable = /^[\x21-\x7e]+$/.test(text);
  if (!isSendable) {
    fail(t(text ? 'sign_in.invalid_token' : 'sign_in.empty'));
    field.focus();
    return;
  }
  button.disabled = true;
  try {
    await signIn({ Authorization: `Bearer ${text}` });
    field.value = '';
  } catch (problem) {
    fail(errorText(problem));
    field.focus();
    field.select();
  }
  button.disabled = false;
};

const withProxy = async (event) => {
  const { target } = event;
  const error = target.parentElement.querySelector('.error');
  target.disabled = true;
  error.textContent = '';
  await signIn({}).catch((problem) => { error.textContent = sentence(proxyErrorText(problem)); });
  target.disabled = false;
};

const providerError = h('p.error@provider-error', { role: 'alert' });

// The provider sends the browser back to this page, which then continues to the page that was asked for.
const withProvider = (id) => async ({ target }) => {
  target.disabled = true;
  providerError.textContent = '';
  try {
    const { authorization_url: url } = await api('POST', `session/oidc/${id}`, { signingIn: true });
    stash('next', thisNext());
    location.assign(url);
  } catch (problem) {
    providerError.textContent = problem.status === 503 ? t('sign_in.failed.unavailable') : sentence(problem.text);
    target.disabled = false;
  }
};

// Only codes with a text of their own are shown: anyone can write a link to this page.
const showFailure = () => {
  const key = `sign_in.failed.${new URLSearchParams(location.hash.slice(1)).get('failed')}`;
  if (!location.hash) return;
  history.replaceState(null, '', location.pathname + location.search);
  if (has(key)) providerError.textContent = t(key);
};

main.append(h('div.card.narrow',
  h('h1', t('sign_in.heading')),
  h('p.muted', t('sign_in.lead')),
  isPlain && warning('sign_in.https', '@needs-https'),
  h('form@sign-in-form', { onsubmit: withToken, novalidate: true },
    h('div.field', h('label', { for: 'token' }, t('sign_in.token')), field,
      h('p.hint', { id: 'token-hint' }, t('sign_in.hint')), error),
    button),
  others));
field.focus();

const { ways, providers, session } = await required(others, api('GET', 'session', { signingIn: true }));
if (session) {
  location.replace(nextPage());
  stash('next', null);
}
if (ways.includes('oidc')) {
  others.append(h('p.or', t('sign_in.or')),
    ...providers.map(({ id, name }) =>
      h('button.wide', { 'data-test': `sign-in-${id}`, onclick: withProvider(id) }, t('sign_in.provider', { name }))),
    providerError);
  showFailure();
}
if (ways.includes('proxy')) {
  others.append(h('p.or', t('sign_in.or')), h('button.wide@sign-in-proxy', { onclick: withProxy }, t('sign_in.proxy')),
    h('p.error@proxy-error', { role: 'alert' }));
}
if (ways.includes('jwt')) others.append(h('p.hint@jwt-hint', t('sign_in.jwt')));
