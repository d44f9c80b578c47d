// Questions in modal dialogs; each is a new element, so that no answer reaches another question.

import { h, t } from './ui.js';

let count = 0;

/** Opens a modal dialog and returns it; it is removed when it closes, and the focus goes back. */
export const open = (properties, ...children) => {
  const opener = document.activeElement;
  const dialog = h('dialog', properties, ...children);
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
    else document.querySelector('main')?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
};

/**
 * Asks; gives the name of the chosen action, or `null` when it was cancelled.
 * `work` of an action runs before the dialog closes: it may throw to keep it open, `failed` then tells why.
 * `form` makes it a form, in which the first action of kind `primary` or `danger` is the default.
 */
export const ask = ({ title, body, actions, test, failed }) =>
  new Promise((resolve) => {
    const id = `dialog-${(count += 1)}`;
    let answer = null;
    const act = async (action, button) => {
      if (action.work) {
        button.disabled = true;
        try {
          await action.work();
        } catch (problem) {
          button.disabled = false;
          failed?.(problem);
          return;
        }
      }
      answer = action.name;
      dialog.close();
    };
    const buttons = actions.map((action) =>
      h('button', {
        type: action.submits ? 'submit' : 'button',
        class: action.kind ?? '',
        'data-test': `answer-${action.name}`,
        autofocus: action.focus,
        onclick: (event) => action.submits || act(action, event.currentTarget),
      }, action.text));
    const submits = actions.findIndex((action) => action.submits);
    const form = h('form', {
      method: 'dialog', novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        if (submits >= 0 && !buttons[submits].disabled) act(actions[submits], buttons[submits]);
      },
    }, h('h2', { id }, title), body, h('div.actions', buttons));
    const dialog = open({ 'aria-labelledby': id, 'data-test': test }, form);
    dialog.addEventListener('close', () => resolve(answer));
  });

export const cancel = () => ({ name: 'cancel', text: t('cancel') });
