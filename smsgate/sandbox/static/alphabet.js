// Why a text costs what it costs. Rule: GSM 03.38 as its table has it; the figures shown are the sandbox's own, this only explains.

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("^{}\\[~]|€");
const FEW = 3;

function parts(units, one, several) {
  return units <= one ? 1 : Math.ceil(units / several);
}

// A few characters that alone make the text dearer, or null: {characters, parts} with what it would take without them.
export function dear(message) {
  if (message.alphabet !== "UCS-2" || !message.text) return null;
  const characters = [...new Set(message.text)].filter(
    (one) => !BASIC.has(one) && !EXTENSION.has(one),
  );
  const units = [...message.text].reduce((sum, one) => sum + (EXTENSION.has(one) ? 2 : 1), 0);
  const without = parts(units, 160, 153);
  return characters.length <= FEW && without < message.parts
    ? { characters, parts: without }
    : null;
}
