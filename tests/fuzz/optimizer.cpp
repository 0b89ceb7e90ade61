// The text of an optimizer: what make() accepts, to_string() writes so that make() gives the same.
#include "tests/fuzz/fuzz.h"

#include <descent/core/create.h>
#include <descent/optim/names/description.h>
#include <descent/optim/names/registry.h>

#include <optional>

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Parameters parameters{{"w1", ones({2, 2}).requires_grad_()},
                                     {"w2", ones({2, 2}).requires_grad_()},
                                     {"b", ones({2}).requires_grad_()}};
  optim::Expression e;
  if (!fuzz::accepts([&] { e = optim::Expression::parse(text); })) return 0;
  fuzz::require(optim::Expression::parse(e.to_string()).to_string() == e.to_string(),
                "an expression reads back");
  fuzz::accepts([&] { optim::rule_of(text); });
  std::optional<optim::Optimizer> made;
  if (!fuzz::accepts([&] { made = optim::make(e, parameters); })) return 0;
  optim::Optimizer& optimizer = *made;
  const std::string written = optimizer.to_string();
  if (optimizer.groups() == 1)  // text does not say which parameters a group has
    fuzz::require(optim::make(written, parameters).to_string() == written,
                  "an optimizer reads back: " + written);
  for (const Parameter& p : parameters) p.value.set_grad(ones(p.value.shape()));
  fuzz::accepts([&] {
    if (optimizer.needs_closure())
      optimizer.step([] { return 1.0; });
    else
      optimizer.step();
  });
  return 0;
}
