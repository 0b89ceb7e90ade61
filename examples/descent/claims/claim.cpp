#include "claims/claim.h"

#include "run/text.h"

#include <descent/core/error.h>
#include <cmath>

namespace app {

using descent::to_text;

const std::vector<const Claim*>& all_claims() {
#define APP_ADDRESS(name) &claims::name,
  static const std::vector<const Claim*> all{APP_CLAIMS(APP_ADDRESS)};
#undef APP_ADDRESS
  return all;
}

void Evidence::equals(const std::string& what, double got, const std::string& expected) {
  const std::size_t exponent = expected.find('e');
  const std::string digits = expected.substr(0, exponent);
  const std::size_t dot = digits.find('.');
  const int decimals = dot == std::string::npos ? 0 : static_cast<int>(digits.size() - dot - 1);
  // The tolerance is half a unit of the last digit of `expected`, plus a little for the rounding of
  // doubles.
  const double power =
      exponent == std::string::npos ? 0 : *descent::parse_number(expected.substr(exponent + 1));
  const double unit = std::pow(10, power - decimals);
  const bool whole = unit == 1;
  const double reference = *descent::parse_number(expected);
  figures_.push_back({what, whole ? format(got, "%.0f") : format(got, "%.7g"), expected,
                      whole ? got == reference : std::fabs(got - reference) <= 0.5000001 * unit});
}

void Evidence::within(const std::string& what, double got, double expected, double share) {
  figures_.push_back(
      {what, format(got, "%.5g"),
       to_text(format(expected, "%.4g"), " within ", format(100 * share, "%.3g"), " %"),
       std::fabs(got - expected) <= share * std::fabs(expected)});
}

void Evidence::expect(const std::string& what, const std::string& got, const std::string& criterion,
                      bool holds) {
  figures_.push_back({what, got, criterion, holds});
}

bool Evidence::holds() const {
  for (const Figure& f : figures_)
    if (!f.holds) return false;
  return !figures_.empty();
}

}  // namespace app
