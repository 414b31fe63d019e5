// Every request of the page, as one table. Rule: no other code calls `fetch`.

async function ask(method, path, body) {
  const answered = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const given = await answered.json().catch(() => ({}));
  if (!answered.ok) throw new Refused(given.error ?? `${answered.status} ${answered.statusText}`);
  return given;
}

// The sandbox answered with an error. Without an answer, `fetch` throws a TypeError.
export class Refused extends Error {}

function query(fields) {
  const given = Object.entries(fields).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  return new URLSearchParams(given).toString();
}

const part = encodeURIComponent;

export const EVENTS = "sandbox/events";

export const api = {
  tables: () => ask("GET", "sandbox/tables"),
  conversations: (fields) => ask("GET", `sandbox/conversations?${query(fields)}`),
  messages: (fields) => ask("GET", `sandbox/messages?${query(fields)}`),
  message: (id) => ask("GET", `sandbox/messages/${part(id)}`),
  calls: (fields) => ask("GET", `sandbox/calls?${query(fields)}`),
  call: (number) => ask("GET", `sandbox/calls/${part(number)}`),
  deleteMessage: (id) => ask("DELETE", `sandbox/messages/${part(id)}`),
  deleteFound: (fields) => ask("DELETE", `sandbox/messages?${query(fields)}`),
  setStatus: (id, state) => ask("PUT", `sandbox/messages/${part(id)}`, { state }),
  // The first account may have a login that cannot stand in a path.
  setAccount: (login, fields) =>
    ask("PUT", login === null ? "sandbox/account" : `sandbox/accounts/${part(login)}`, fields),
  endSession: (key) => ask("DELETE", `sandbox/sessions/${part(key)}`),
  endSessions: () => ask("DELETE", "sandbox/sessions"),
  addFault: (fault) => ask("POST", "sandbox/faults", fault),
  liftFault: (id) => ask("DELETE", `sandbox/faults/${part(id)}`),
  liftFaults: () => ask("DELETE", "sandbox/faults"),
  clear: () => ask("POST", "sandbox/clear"),
};
