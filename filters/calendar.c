/* calendar: ORGANIZER and ATTENDEE of any component. */
#include "filters/calendar.h"

#include "filters/content_line.h"

static bool is_person(const struct content_line *line)
{
	struct span type;

	return !content_line_param(line, "CUTYPE", 0, &type) ||
	       span_ieq(type, SPAN("INDIVIDUAL")) ||
	       span_ieq(type, SPAN("UNKNOWN"));
}

/* The address is the value ("mailto:"), or the EMAIL parameter (RFC 7986) when
   the value is another kind of URI. */
static struct span email_of(const struct content_line *line)
{
	struct span value = span_trim(line->value);
	struct span email;

	if (span_istarts(value, SPAN("mailto:"))) {
		return span_from(value, 7);
	}
	if (content_line_param(line, "EMAIL", 0, &email)) {
		return email;
	}
	return span_find(value, '@') > 0 && span_find(value, ':') < 0
		       ? value
		       : SPAN("");
}

void calendar_read(struct span text, calendar_found *found, void *context)
{
	struct strbuf unfolded = STRBUF_INIT(CONTENT_LINE_TEXT_MAX + 16);
	struct strbuf unquoted = STRBUF_INIT(1024);
	struct content_line line;
	struct span rest;
	size_t people = 0;

	content_line_unfold(text, &unfolded);
	rest = strbuf_span(&unfolded);
	while (people < CALENDAR_PEOPLE_MAX &&
	       content_line_next(&rest, &line)) {
		bool is_organizer = span_ieq(line.name, SPAN("ORGANIZER"));
		struct span name = SPAN("");
		struct span email;

		if ((!is_organizer && !span_ieq(line.name, SPAN("ATTENDEE"))) ||
		    !is_person(&line)) {
			continue;
		}
		email = email_of(&line);
		if (email.len == 0) {
			continue;
		}
		content_line_param(&line, "CN", 0, &name);
		strbuf_clear(&unquoted);
		found(context, content_line_unquote(name, &unquoted), email,
		      is_organizer);
		people++;
	}
	strbuf_finish(&unquoted);
	strbuf_finish(&unfolded);
}
