// Copying, also in browsers that deny the clipboard to pages without TLS.

import { h, icon, t } from './ui.js';

/** Copies the value of `field`, or `text`; returns whether it was copied. */
const copy = async (text, field) => {
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

/** A button that copies the result of `give()`; `field` has the same text; `copied` is called afterwards. */
export const copyButton = ({ give, field, label, test, copied, kind = '' }) => {
  const text = h('span', label ?? t('copy'));
  const state = h('span.sr', { role: 'status' });
  const button = h('button', { class: kind, 'data-test': test }, icon('copy'), text, state);
  let timer;
  button.addEventListener('click', async () => {
    const given = give();
    if (!given) return;
    const done = await copy(given, field?.());
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
