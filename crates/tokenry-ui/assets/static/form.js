// Form fields of a token: labels, errors, access and expiry.

import { sentence } from './app.js';
import { DAY, dateValue, day, endOfDay, exact, h, has, icon, language, list, t } from './ui.js';

let count = 0;

/** A labelled control with hint and error; `pointer` is its JSON pointer in the request. */
export const field = (pointer, label, control, hint) => {
  const id = control.id || `field-${(count += 1)}`;
  control.id = id;
  const test = pointer.slice(1).replaceAll('/', '-');
  control.setAttribute('data-test', `field-${test}`);
  control.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
  return h('div.field', { 'data-pointer': pointer },
    h('label', { for: id }, label), control,
    h('p.hint', { id: `${id}-hint` }, hint),
    h('p.error', { id: `${id}-error`, 'data-test': `error-${test}` }));
};

/** A fieldset with its own error. */
export const group = (pointer, label, ...children) => {
  const id = `field-${(count += 1)}-error`;
  const test = pointer.slice(1);
  return h('fieldset.field', { 'data-pointer': pointer, 'data-test': `field-${test}`, 'aria-describedby': id }, h('legend', label), children,
    h('p.error', { id, 'data-test': `error-${test}` }));
};

/** The summary of errors that belong to no field. */
export const summary = () => h('div.note.bad.summary@summary', { tabindex: '-1', hidden: true, role: 'alert' });

const errorText = ({ code, detail }) => {
  const key = `field.${code}`;
  return language === 'en' || !has(key) ? sentence(detail) : t('problem.with', { text: t(key), words: detail });
};

export const clearErrors = (form) => {
  form.querySelectorAll('.error').forEach((error) => error.replaceChildren());
  form.querySelectorAll('[aria-invalid]').forEach((control) => control.removeAttribute('aria-invalid'));
  form.querySelector('.summary').hidden = true;
};

/** Shows an error at its field; `false` if there is no such field. */
export const setError = (form, pointer, text) => {
  const field = [...form.querySelectorAll('[data-pointer]')].find(({ dataset }) => pointer === dataset.pointer || pointer.startsWith(`${dataset.pointer}/`));
  if (!field) return false;
  field.closest('details')?.setAttribute('open', '');
  field.querySelector(':scope > .error').append(h('span', text, ' '));
  const controls = field.querySelectorAll('input:not(:disabled), textarea, select');
  if (field.tagName !== 'FIELDSET') controls[0]?.setAttribute('aria-invalid', 'true');
  return true;
};

/** Shows validation errors at their fields and the rest in the summary; focuses the first. */
export const showProblem = (form, problem, entries = {}) => {
  clearErrors(form);
  if (problem.code === 'session_ended') return;
  const rest = [];
  for (const error of problem.errors ?? []) {
    const [, name, index] = error.pointer.split('/');
    const entry = index === undefined ? undefined : entries[name]?.[Number(index)];
    const text = entry === undefined ? errorText(error) : t('field.entry', { entry, words: errorText(error) });
    if (!setError(form, error.pointer, text)) rest.push(`${error.pointer}: ${text}`);
  }
  const isWhole = !(problem.errors ?? []).length;
  if (isWhole || rest.length) {
    const summary = form.querySelector('.summary');
    summary.replaceChildren(icon('warn'), h('div', isWhole ? problem.text : rest.map((text) => h('p', text))));
    summary.hidden = false;
    summary.focus();
    return;
  }
  focusError(form);
};

export const focusError = (form) => {
  const field = [...form.querySelectorAll('.error')].find((error) => error.textContent)?.closest('[data-pointer]');
  field?.querySelector('input:not(:disabled), textarea, select')?.focus();
};

const segment = ({ name, value, text, checked, disabled, title, change, test }) =>
  h('label.segment', { title },
    h('input', { type: 'radio', name, value, checked, disabled, 'data-test': test, onchange: change }), h('span', text));

/** The label of a level. */
const levelText = (level) => (has(`level.${level}`) ? t(`level.${level}`) : level);

const WORD = /^[a-z][a-z0-9_.-]*$/;

// Built-in descriptions of the server are English and are translated; configured ones are shown as they are.
const labelOf = (text) => (has(`about.${text}`) ? t(`about.${text}`) : text);

/** The scopes of a catalog with their descriptions and whether the user can grant them. */
const listed = ({ general, groups }) =>
  [...general, ...groups.flatMap(({ resources }) => resources.flatMap(({ levels }) => levels))];

/** The picker where a token has exactly one of the exclusive scopes; the interface is that of `accessPicker`. */
const exclusivePicker = ({ catalog, me, chosen, existing, changed }) => {
  const known = new Map(listed(catalog).map((info) => [info.scope, info]));
  const reason = t(me.token ? 'access.why_token' : 'access.why_role', { role: me.role });
  const name = `access-${(count += 1)}`;
  const radios = new Map();
  const radio = (scope) => {
    const { description = '', grantable = false } = known.get(scope) ?? {};
    const disabled = !grantable && !existing.includes(scope);
    const input = h('input', { type: 'radio', name, value: scope, disabled, 'data-test': `access-${scope}`, onchange: changed });
    radios.set(scope, input);
    return h('div.resource', h('div', h('label.tick', input, h('span', scope === '*' ? t('scope.all') : h('code', scope))),
      description && h('p.hint', labelOf(description)), disabled && h('p.why', reason)));
  };
  const element = h('div.access@access-exclusive', h('fieldset.group', h('legend', t('access.one')), catalog.exclusive_scopes.map(radio)));
  const set = (scopes) =>
    scopes.filter((scope) => {
      const input = radios.get(scope);
      const isFree = input && !input.disabled && ![...radios.values()].some(({ checked }) => checked);
      if (isFree) input.checked = true;
      return !isFree;
    });
  const rejected = set(chosen);
  const isKept = rejected.length > 0 && chosen.every((scope) => existing.includes(scope));
  // A token from before the rule keeps its scopes until one is chosen.
  if (isKept) radios.forEach((input) => { input.checked = false; });
  const value = () => {
    const picked = [...radios].filter(([, { checked }]) => checked).map(([scope]) => scope);
    return picked.length === 0 && isKept ? chosen : picked;
  };
  return { element, value, set, rejected: rejected.filter((scope) => !existing.includes(scope)) };
};

/** The scope picker. `chosen` are selected initially; those of `existing` may stay although they cannot be granted. */
export const accessPicker = ({ catalog, me, chosen = [], existing = [], changed }) => {
  if (catalog.exclusive_scopes.length > 0) return exclusivePicker({ catalog, me, chosen, existing, changed });
  const rows = new Map();
  const general = new Map();
  const reason = t(me.token ? 'access.why_token' : 'access.why_role', { role: me.role });

  const resource = (name, description, levels, removable) => {
    const row = { name, levels, scope: '' };
    const pick = (scope) => () => { row.scope = scope; changed(); };
    const radio = (scope, text, disabled) =>
      segment({ name: `access-${name}`, value: scope, text, checked: scope === '', disabled, title: disabled ? reason : undefined, change: pick(scope), test: `access-${scope || `${name}-none`}` });
    const allowed = (info) => info.grantable || existing.includes(info.scope);
    const rejected = levels.filter((info) => !allowed(info));
    row.node = h('div.resource', { 'data-test': `resource-${name}` },
      h('div', h('b', { id: `resource-${name}` }, name), description && description !== name && h('p.hint', labelOf(description)),
        rejected.length > 0 && h('p.why', rejected.length === levels.length ? reason : t('access.why_levels', { levels: list(rejected.map(({ level }) => levelText(level))), reason }))),
      h('div.segments', { role: 'radiogroup', 'aria-labelledby': `resource-${name}` },
        radio('', t('level.none'), false), levels.map((info) => radio(info.scope, levelText(info.level), !allowed(info)))),
      removable && h('button.small.ghost', {
        'aria-label': t('access.remove', { name }),
        onclick: () => { rows.delete(name); row.node.remove(); adder.querySelector('input').focus(); changed(); },
      }, '×'));
    row.set = (scope) => {
      const input = [...row.node.querySelectorAll('input')].find(({ value }) => value === scope);
      if (!input || input.disabled) return false;
      input.checked = true;
      row.scope = scope;
      return true;
    };
    rows.set(name, row);
    return row;
  };

  const free = h('div');
  const addFree = (name, description) => {
    const levels = catalog.levels.map((level) => ({ scope: `${name}:${level}`, level, grantable: true }));
    const row = rows.get(name) ?? resource(name, description, levels, true);
    if (!row.node.isConnected && !row.node.parentElement) free.append(row.node);
    return row;
  };
  const input = h('input', {
    placeholder: 'projects', 'aria-label': t('access.resource'), 'data-test': 'add-resource',
    onkeydown: (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      add();
    },
  });
  const level = h('select@add-level', { 'aria-label': t('access.level') }, catalog.levels.map((value) => h('option', { value }, levelText(value))));
  const hint = h('p.error@add-error', { role: 'alert' });
  const add = () => {
    hint.textContent = '';
    const rejected = [];
    for (const text of input.value.split(/[\s,]+/).filter(Boolean)) {
      const [name, wanted = level.value, ...more] = text.split(':');
      const isRight = more.length === 0 && WORD.test(name) && WORD.test(wanted) && text.length <= 64;
      const row = isRight && (rows.get(name) ?? (catalog.levels.includes(wanted) ? addFree(name) : null));
      if (!row || !row.set(`${name}:${wanted}`)) rejected.push(text);
    }
    if (rejected.length) hint.textContent = t('access.not_a_scope', { text: list(rejected) });
    input.value = rejected.join(' ');
    input.focus();
    changed();
  };
  const adder = h('div.resource', h('div.field',
    h('div.line', input, level, h('button@add-scope', { onclick: add }, icon('plus'), t('access.add'))),
    h('p.hint', t('access.add_hint')), hint));

  const generalScope = ({ scope, description, grantable }) => {
    const disabled = !grantable && !existing.includes(scope);
    const box = h('input', { type: 'checkbox', disabled, 'data-test': `access-${scope}`, onchange: changed });
    general.set(scope, box);
    return h('div.resource', h('div', h('label.tick', box, h('span', scope === '*' ? t('scope.all') : h('code', scope))),
      h('p', { class: scope === '*' ? 'hint amber' : 'hint' }, labelOf(description)), disabled && h('p.why', reason)));
  };

  const element = h('div.access',
    catalog.open && h('fieldset.group', h('legend', t('access.own')), free, adder),
    catalog.groups.map(({ name, description, resources }) =>
      h('fieldset.group', h('legend', name || t('access.group')), description && h('p.hint', labelOf(description)),
        resources.map((item) => resource(item.name, item.description, item.levels).node))),
    catalog.general.length > 0 && h('fieldset.group', h('legend', t('access.general')), catalog.general.map(generalScope)));

  /** Adds these to the selection; returns those that cannot be selected. */
  const set = (scopes) =>
    scopes.filter((scope) => {
      const box = general.get(scope);
      if (box) {
        if (!box.disabled) box.checked = true;
        return box.disabled;
      }
      const [name, wanted] = scope.split(':');
      const isFree = catalog.open && WORD.test(name) && catalog.levels.includes(wanted);
      const row = rows.get(name) ?? (isFree ? addFree(name) : null);
      return !row?.set(scope);
    });
  const value = () => [
    ...[...general].filter(([, box]) => box.checked).map(([scope]) => scope),
    ...[...rows.values()].map(({ scope }) => scope).filter(Boolean),
  ];
  const rejected = set(chosen);
  // A scope that is no longer in the catalog stays with a token that has it.
  const unknown = rejected.filter((scope) => existing.includes(scope));
  return { element, value: () => [...value(), ...unknown], set, rejected: rejected.filter((scope) => !existing.includes(scope)) };
};

/** "read projects and run builds". */
export const scopesText = (scopes) =>
  scopes.includes('*') || scopes.includes('full_access') ? t('sum.all') : list(scopes.map((scope) => {
    const [name, level] = scope.split(':');
    if (!level) return name === 'introspect' ? t('sum.introspect') : t('sum.named', { name });
    return t('sum.access', { level: has(`can.${level}`) ? t(`can.${level}`) : level, name });
  }));

const PRESETS = [7, 30, 60, 90, 365];

/** The expiry picker, within the policy and the expiry of the token used to sign in. `current` adds "keep unchanged". */
export const expiryPicker = ({ policy, me, current, chosen, changed }) => {
  const isChange = current !== undefined;
  const { default_days: defaultDays, max_days: maxDays, allow_never: isNeverAllowed } = policy.lifetime;
  // A session of a token cannot create a token that outlives it, nor extend the lifetime of another.
  const bound = me.token && (isChange ? current : me.token.expires_at);
  const ownEnd = bound ? new Date(bound) : null;
  const latest = () => Math.min(maxDays ? Date.now() + maxDays * DAY : Infinity, ownEnd?.getTime() ?? Infinity);
  const requested = /^[1-9]\d{0,4}$/.test(chosen) && Number(chosen);
  const days = [...new Set([...PRESETS, defaultDays, requested].filter(Boolean))].sort((a, b) => a - b);
  const isBeyondOwn = (length) => ownEnd !== null && Date.now() + length * DAY > ownEnd;
  const isBeyondPolicy = (length) => maxDays > 0 && length > maxDays;
  const options = [
    ...(isChange ? [{ value: 'keep', text: t('expiry.keep') }] : []),
    ...days.map((length) => ({ value: String(length), text: length === 365 ? t('expiry.year') : t('expiry.days', { count: length }), disabled: isBeyondPolicy(length) || isBeyondOwn(length) })),
    ...(ownEnd && !isChange ? [{ value: 'own', text: t('expiry.own') }] : []),
    { value: 'date', text: t('expiry.date') },
    { value: 'never', text: t('expiry.never'), disabled: !isNeverAllowed || ownEnd !== null },
  ];
  const usable = (value) => options.some((option) => option.value === value && !option.disabled);
  const candidates = [chosen, isChange ? 'keep' : undefined, String(defaultDays || 'never'), ownEnd ? 'own' : String(maxDays || 365)];
  let choice = candidates.find(usable) ?? 'date';

  const date = h('input', {
    type: 'date', min: dateValue(Date.now()), max: Number.isFinite(latest()) ? dateValue(latest()) : undefined, value: dateValue(Math.min(Date.now() + 30 * DAY, latest())),
    'aria-label': t('expiry.date_label'), 'data-test': 'expiry-day', onchange: () => { show(); changed(); },
  });
  const line = h('div.line', { hidden: choice !== 'date' }, date);
  const until = h('p.hint@expiry-until');
  const end = () => {
    if (choice === 'keep') return current ? new Date(current) : null;
    if (choice === 'never') return null;
    if (choice === 'own') return ownEnd;
    if (choice !== 'date') return new Date(Date.now() + Number(choice) * DAY);
    if (!date.value) return undefined;
    const picked = endOfDay(date.value);
    // On the last allowed day the expiry is the end of the maximum lifetime.
    return dateValue(latest()) === date.value && picked > latest() ? new Date(latest() - 5000) : picked;
  };
  const show = () => {
    line.hidden = choice !== 'date';
    const at = end();
    until.textContent = at ? exact(at) : at === null ? t('expiry.never_hint') : '';
  };
  const reasons = [
    ownEnd && (isChange ? t('expiry.why_change') : t('expiry.why_own', { name: me.token.name, when: exact(ownEnd) })),
    maxDays > 0 && days.some(isBeyondPolicy) && t('expiry.why_policy', { count: maxDays }),
    policy.lifetime.idle_days > 0 && t('expiry.idle', { count: policy.lifetime.idle_days }),
  ].filter(Boolean);
  const name = `expiry-${(count += 1)}`;
  const element = h('div.field',
    h('div.segments', { role: 'radiogroup', 'aria-label': t('form.expiry') }, options.map((option) =>
      segment({ ...option, name, checked: option.value === choice, test: `expiry-${option.value}`, change: () => { choice = option.value; show(); changed(); } }))),
    line, until, reasons.length > 0 && h('p.hint@expiry-why', reasons.join(' ')));
  show();
  return {
    element,
    end,
    refresh: show,
    choice: () => (choice === 'date' ? date.value : choice),
    setDate: (text) => { date.value = text; show(); },
    /** The value for the request; `undefined` is an empty date, `{}` keeps it unchanged. */
    value: () => {
      const at = end();
      if (at === undefined) return undefined;
      if (choice === 'keep') return {};
      const isPreset = Number.isInteger(Number(choice)) && !isChange;
      return isPreset ? { expires_in_days: Number(choice) } : { expires_at: at === null ? null : at.toISOString() };
    },
  };
};

/** The lines or comma-separated entries of a text. */
export const entries = (text) => text.split(/[\s,]+/).filter(Boolean);

/** A sentence that summarizes the access of a token. */
export const summarize = ({ scopes, end, ips }) => {
  if (!scopes.length) return t('sum.nothing');
  const until = end ? t('sum.until', { date: day(end) }) : t('sum.forever');
  const from = ips.length ? t('sum.from', { ips: ips.length > 3 ? t('sum.addresses', { count: ips.length }) : list(ips) }) : '';
  return t('sum.whole', { what: scopesText(scopes), from, until });
};
