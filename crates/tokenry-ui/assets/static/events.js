// Entries of the audit log as text.

import { actor } from './list.js';
import { bdi, exact, h, t, time, tNodes } from './ui.js';

export const KINDS = [
  ...['seeded', 'created', 'updated', 'rotated', 'revoked', 'expired'].map((name) => `auth.token.${name}`),
  ...['created', 'updated', 'disabled', 'enabled', 'deleted'].map((name) => `auth.user.${name}`),
  'auth.session.started', 'auth.session.ended', 'auth.request.failed', 'auth.request.forbidden',
];

const isTime = (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value);
const words = (value) => {
  if (value === null || value === undefined || value === '' || value.length === 0) return '–';
  if (isTime(value)) return exact(value);
  return Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value);
};
const isChange = (value) => value !== null && typeof value === 'object' && 'from' in value && 'to' in value;

/** One entry: time, event, actor, address and detail. */
export const event = (entry, me) => {
  const from = [entry.ip, entry.user_agent].filter(Boolean);
  return h('li@event', { 'data-kind': entry.kind },
    h('div.muted', time(entry.at)),
    h('div',
      h('p', h('b', t(`event.${entry.kind}`)), ' ', h('span.muted', tNodes('event.by', { who: h('span', actor(entry.actor, me)) }))),
      h('ul.changes', Object.entries(entry.detail).map(([name, value]) =>
        h('li', h('code', name), ': ', isChange(value) ? [bdi(words(value.from)), ' → ', bdi(words(value.to))] : bdi(words(value))))),
      h('p.meta', `#${entry.seq}`, from.length > 0 && [' · ', bdi(from.join(' · '))])));
};
