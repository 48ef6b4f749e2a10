/* message_date: the Date field. Knows no clock and no locale. */
#include "message/message_date.h"

#define SECONDS_PER_DAY 86400

struct parts {
	uint64_t day;
	uint64_t month;
	uint64_t year;
	uint64_t hour;
	uint64_t minute;
	uint64_t second;
	int64_t zone_s;
};

static bool read_month(struct span word, uint64_t *month_r)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (size_t i = 0; i < 12; i++) {
		/* "Sept" and "January" are written, too. */
		if (word.len >= 3 &&
		    span_ieq(span_first(word, 3), span_of(names + i * 3, 3))) {
			*month_r = i + 1;
			return true;
		}
	}
	return false;
}

static bool read_time(struct span word, struct parts *parts)
{
	struct span part;
	uint64_t *fields[] = { &parts->hour, &parts->minute, &parts->second };
	const uint64_t limits[] = { 23, 59, 60 };
	size_t count = 0;

	while (count < 3 && span_next_word(&word, ":", &part)) {
		if (span_to_u64(part, limits[count], fields[count]) < 0) {
			return false;
		}
		count++;
	}
	return count >= 2 && word.len == 0;
}

static int64_t read_zone(struct span word)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
		      { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 },
		      { "PST", -8 }, { "PDT", -7 } };
	uint64_t number;

	if (word.len == 5 && (word.ptr[0] == '+' || word.ptr[0] == '-') &&
	    span_to_u64(span_from(word, 1), 9999, &number) == 0) {
		int64_t zone_s =
			(int64_t)(number / 100 * 3600 + number % 100 * 60);

		return word.ptr[0] == '-' ? -zone_s : zone_s;
	}
	for (size_t i = 0; i < N_ELEMENTS(zones); i++) {
		if (span_ieq(word, span_str(zones[i].name))) {
			return zones[i].hours * 3600;
		}
	}
	return 0;
}

/* RFC 5322 4.3. */
static uint64_t full_year(struct span word, uint64_t year)
{
	if (word.len == 2) {
		return year < 50 ? 2000 + year : 1900 + year;
	}
	return word.len == 3 ? 1900 + year : year;
}

/* Days since 1970-01-01 in the Gregorian calendar: the year is taken to begin
   in March, so that the leap day is its last. */
static int64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month <= 2 ? year - 1 : year;
	uint64_t era = y / 400;
	uint64_t year_of_era = y - era * 400;
	uint64_t day_of_year =
		(153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	uint64_t day_of_era = year_of_era * 365 + year_of_era / 4 -
			      year_of_era / 100 + day_of_year;

	return (int64_t)(era * 146097 + day_of_era) - 719468;
}

int64_t message_date_parse(struct span text)
{
	struct parts parts = { 0 };
	struct span word;
	int64_t result;

	/* The day name, if there is one, says nothing new. */
	if (!span_next_word(&text, " \t\r\n,", &word)) {
		return 0;
	}
	if (!ascii_is_digit(word.ptr[0]) &&
	    !span_next_word(&text, " \t\r\n,", &word)) {
		return 0;
	}
	if (span_to_u64(word, 31, &parts.day) < 0 || parts.day == 0 ||
	    !span_next_word(&text, " \t\r\n-", &word) ||
	    !read_month(word, &parts.month) ||
	    !span_next_word(&text, " \t\r\n-", &word) ||
	    span_to_u64(word, 9999, &parts.year) < 0) {
		return 0;
	}
	parts.year = full_year(word, parts.year);
	if (parts.year < 1970 || !span_next_word(&text, " \t\r\n", &word) ||
	    !read_time(word, &parts)) {
		return 0;
	}
	if (span_next_word(&text, " \t\r\n(", &word)) {
		parts.zone_s = read_zone(word);
	}
	result = days_of(parts.year, parts.month, parts.day) * SECONDS_PER_DAY +
		 (int64_t)(parts.hour * 3600 + parts.minute * 60 +
			   parts.second) -
		 parts.zone_s;
	return result > 0 ? result : 0;
}
