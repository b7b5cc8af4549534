// Brings what stands on the page into line with new HTML of it, touching only what
// differs: what the reader has selected or scrolled in a growing reply stays, and the
// browser lays out less.

/** `html` is the server's, sanitised. */
export function patch(root, html) {
  const fresh = document.createElement("div");
  fresh.innerHTML = html;
  align(root, fresh);
}

function align(old, fresh) {
  const wanted = [...fresh.childNodes];
  while (old.childNodes.length > wanted.length) {
    old.lastChild.remove();
  }
  wanted.forEach((child, place) => {
    const known = old.childNodes[place];
    if (!known) {
      old.append(child);
    } else if (known.isEqualNode(child)) {
      return;
    } else if (child.nodeType === Node.TEXT_NODE && known.nodeType === Node.TEXT_NODE) {
      rewrite(known, child.data);
    } else if (known.cloneNode(false).isEqualNode(child.cloneNode(false))) {
      align(known, child);
    } else {
      known.replaceWith(child);
    }
  });
}

/** Text that only grows keeps what is selected in it. */
function rewrite(node, text) {
  if (text.startsWith(node.data)) {
    node.appendData(text.slice(node.length));
  } else {
    node.data = text;
  }
}
