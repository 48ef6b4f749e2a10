/* html_text: what a person sees of an HTML part, as plain lines (gumbo).
   Hidden text is left out; a block ends its line; cells of one table row that
   are side by side are separated by TAB; text inside <blockquote> (and the
   quoting divs of Gmail, Outlook, Apple and Yahoo) is prefixed "> " per
   level; a container that a mail program marks as the signature
   (gmail_signature, moz-signature, Signature, ...) is preceded by a line
   "-- ". Pure. */
#ifndef POSTERN_MESSAGE_HTML_TEXT_H
#define POSTERN_MESSAGE_HTML_TEXT_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Deeper elements are not entered. */
#define HTML_TEXT_MAX_DEPTH 200

/* Append the text of html (UTF-8) to out. Return 0, or -1 when the HTML
   was too deep or out overflowed: what is there is still good text. */
int html_text(struct span html, struct strbuf *out);

#endif
