/* content_line: lines of the form NAME;PARAM=VALUE:VALUE that vCard (RFC 6350,
   and 2.1 before it) and iCalendar (RFC 5545) share. */
#ifndef POSTERN_FILTERS_CONTENT_LINE_H
#define POSTERN_FILTERS_CONTENT_LINE_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Text beyond this is not read: photographs, whole calendars. */
#define CONTENT_LINE_TEXT_MAX (1024u * 1024u)

struct content_line {
	/* "TEL" of "item1.TEL;TYPE=cell:+49..."; not folded. */
	struct span name;
	/* "TYPE=cell;PREF=1", may be empty. */
	struct span params;
	struct span value;
};

/* Append text to out with folded lines joined (and the soft breaks of a 2.1
   quoted-printable value), LF after each. */
void content_line_unfold(struct span text, struct strbuf *out);

/* Cut the next content line off *rest (unfolded); lines of another form are
   stepped over. Return false when nothing is left. */
bool content_line_next(struct span *rest, struct content_line *line_r);

/* The value of a parameter, without quotation marks; false when it has none.
   With name "TYPE", index 1 gives the second TYPE parameter. */
bool content_line_param(const struct content_line *line, const char *name,
			size_t index, struct span *value_r);

/* Is word one of the values of TYPE, or a bare parameter (2.1: TEL;CELL:)? */
bool content_line_has_type(const struct content_line *line, const char *word);

/* Append the value as text: quoted-printable decoded when the line says so,
   backslash escapes undone, line breaks as ", ". Return what was appended;
   it borrows from out, which must not be moved. */
struct span content_line_text(const struct content_line *line,
			      struct span value, struct strbuf *out);

/* Append the value of a parameter with RFC 6868 undone ("^'" is a quotation
   mark). Return what was appended; it borrows from out. */
struct span content_line_unquote(struct span value, struct strbuf *out);

#endif
