// The part of the URL after #.
// Rule: it alone decides which conversation and message are open, so the back button works.

export function route() {
  const [place, number, id] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  return place === "number" && number ? { number, id: id || null } : { number: null, id: null };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export function go(number = null, id = null) {
  const path =
    number === null
      ? ""
      : `number/${[number, id].filter(Boolean).map(encodeURIComponent).join("/")}`;
  location.hash = `#/${path.replaceAll("%2B", "+")}`;
}
