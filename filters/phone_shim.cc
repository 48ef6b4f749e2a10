/* phone_shim: the only file that knows libphonenumber. No exception crosses
   into C: the library throws none, and out of memory ends the program. */
#include "filters/phone_shim.h"

#include <cstring>
#include <string>

#include <phonenumbers/phonenumberutil.h>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

static enum phone_type type_of(PhoneNumberUtil::PhoneNumberType type)
{
	switch (type) {
	case PhoneNumberUtil::FIXED_LINE:
		return PHONE_TYPE_FIXED;
	case PhoneNumberUtil::MOBILE:
		return PHONE_TYPE_MOBILE;
	case PhoneNumberUtil::FIXED_LINE_OR_MOBILE:
		return PHONE_TYPE_FIXED_OR_MOBILE;
	case PhoneNumberUtil::PAGER:
		return PHONE_TYPE_PAGER;
	default:
		return PHONE_TYPE_OTHER;
	}
}

int phone_shim_parse(const char *digits, const char *region,
		     struct phone_number *number_r)
{
	PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
	PhoneNumber number;
	PhoneNumberUtil::PhoneNumberType type;
	std::string national;
	std::string e164;
	std::string home = region[0] == '\0' ? "ZZ" : region;

	if (util->Parse(digits, home, &number) !=
	    PhoneNumberUtil::NO_PARSING_ERROR) {
		return -1;
	}
	/* A number of a known type is a valid one: asking IsValidNumber as
	   well would match every pattern a second time. */
	type = util->GetNumberType(number);
	if (type == PhoneNumberUtil::UNKNOWN) {
		return -1;
	}
	util->GetNationalSignificantNumber(number, &national);
	e164 = "+" + std::to_string(number.country_code()) + national;
	if (e164.size() >= sizeof(number_r->e164)) {
		return -1;
	}
	std::memcpy(number_r->e164, e164.c_str(), e164.size() + 1);
	number_r->type = type_of(type);
	return 0;
}

void phone_shim_region(const char *e164, char region_r[3])
{
	PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
	PhoneNumber number;
	std::string region;

	region_r[0] = '\0';
	if (util->Parse(e164, "ZZ", &number) !=
	    PhoneNumberUtil::NO_PARSING_ERROR) {
		return;
	}
	util->GetRegionCodeForNumber(number, &region);
	if (region.size() == 2 && region != "ZZ") {
		std::memcpy(region_r, region.c_str(), 3);
	}
}
