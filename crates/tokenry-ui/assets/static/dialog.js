// Modal dialogs; each is a new element, so that no event reaches another dialog.

import { h, t } from './ui.js';

let count = 0;

/** Opens a modal dialog and returns it; closing removes it and restores the focus. */
export const open = (props, ...children) => {
  const opener = document.activeElement;
  const dialog = h('dialog', props, ...children);
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
 * Asks a question; returns the name of the chosen action, or `null` if it was closed otherwise.
 * `work` of an action runs before the dialog closes; until then nothing else closes it. If it throws, the dialog stays
 * open and `onError` or the dialog shows the error. If it is then closed, `unsure` is called: the change may have been
 * made. `submits` makes an action the default for Enter.
 */
export const ask = ({ title, body, actions, test, onError, unsure }) =>
  new Promise((resolve) => {
    const id = `dialog-${(count += 1)}`;
    const error = h('p.error@dialog-error', { role: 'alert' });
    let answer = null;
    let isBusy = false;
    let hasFailed = false;
    const setBusy = (busy) => {
      isBusy = busy;
      dialog.setAttribute('closedby', busy ? 'none' : 'closerequest');
      buttons.forEach((button) => { button.disabled = busy; });
    };
    const act = async (action) => {
      if (isBusy) return;
      if (action.work) {
        const focus = document.activeElement;
        setBusy(true);
        error.textContent = '';
        try {
          await action.work();
          hasFailed = false;
        } catch (problem) {
          hasFailed = true;
          setBusy(false);
          focus.focus();
          if (!problem.text) reportError(problem);
          if (onError) onError(problem);
          else error.textContent = problem.text ?? t('problem.load');
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
        onclick: () => action.submits || act(action),
      }, action.text));
    const submits = actions.find((action) => action.submits);
    const form = h('form', {
      method: 'dialog', novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        if (submits) act(submits);
      },
    }, h('h2', { id }, title), body, !onError && error, h('div.actions', buttons));
    const dialog = open({ 'aria-labelledby': id, 'data-test': test }, form);
    dialog.addEventListener('cancel', (event) => isBusy && event.preventDefault());
    // Chromium closes on a second Escape if only `cancel` is prevented; disabled elements have no focus.
    const escape = (event) => isBusy && event.key === 'Escape' && event.preventDefault();
    addEventListener('keydown', escape);
    dialog.addEventListener('close', () => {
      removeEventListener('keydown', escape);
      if (hasFailed) unsure?.();
      resolve(answer);
    });
  });

export const cancel = () => ({ name: 'cancel', text: t('cancel') });
