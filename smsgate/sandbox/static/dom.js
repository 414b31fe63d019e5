// Create and update elements.
// Rule: text of a message becomes a text node or an attribute value, never markup.

const SVG = "http://www.w3.org/2000/svg";

// Attributes: `on` has listeners and `set` has properties. True becomes an empty attribute; false
// and null are omitted.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on")
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "set") Object.assign(node, value);
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function setValue(input, value) {
  if (document.activeElement !== input && input.value !== value) input.value = value;
}

// Make the children of `parent` match `items`, in order. Each item has a `key`; its view
// {node, update} is kept between calls.
export function reconcile(parent, views, items, make) {
  const wanted = new Set(items.map((item) => item.key));
  for (const [key, view] of views) {
    if (!wanted.has(key)) {
      view.node.remove();
      views.delete(key);
    }
  }
  let next = parent.firstChild;
  for (const item of items) {
    let view = views.get(item.key);
    if (!view) {
      view = make(item);
      views.set(item.key, view);
    }
    view.update?.(item);
    if (view.node === next) next = next.nextSibling;
    else parent.insertBefore(view.node, next);
  }
}
