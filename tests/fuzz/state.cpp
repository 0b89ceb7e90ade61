// The state of an optimizer: what load_state_dict() accepts, state_dict() gives back; what it
// refuses changes nothing. The first byte chooses an optimizer, each further group a change.
#include "tests/fuzz/fuzz.h"

#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/optim/names/registry.h>

#include <limits>

using namespace descent;

namespace {

Parameters parameters() {
  Generator random(1);
  return {{"w1", randn({2, 3}, random).requires_grad_()},
          {"w2", randn({2, 2}, random).requires_grad_()},
          {"b", randn({2}, random).requires_grad_()}};
}

void step(optim::Optimizer& optimizer, int times) {
  for (int i = 0; i < times; ++i)
    optimizer.step([&] {
      optimizer.zero_grad();
      Tensor loss = tensor(0.0f);
      for (const Parameter& p : optimizer.parameters()) loss = loss + sum(p.value * p.value);
      if (!optimizer.takes_residuals()) loss.backward();
      return loss;
    });
}

bool same(const optim::State& a, const optim::State& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && fuzz::same(x.second, y.second);
  });
}

/// Every optimizer, and the wrappers around Adam.
const std::vector<std::string>& descriptions() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> texts;
    for (const optim::Entry& e : optim::registry())
      texts.push_back(!e.is_wrapper                    ? e.name
                      : e.fields.empty()               ? e.name + "(adam)"
                      : e.fields[0].text == "required" ? e.name + "(adam, 1)"
                                                       : e.name + "(adam)");
    texts.erase(std::ranges::find(texts, "muon"));  // refuses biases
    return texts;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::map<std::string, optim::State> states;  // of each optimizer after three steps
  fuzz::Choices choices(data, size);
  const std::string& text = descriptions()[choices.below(descriptions().size())];
  optim::Optimizer optimizer = optim::make(text, parameters());
  optim::State& usual = states[text];
  if (usual.empty()) {
    step(optimizer, 3);
    usual = optimizer.state_dict();
    optimizer = optim::make(text, parameters());
  }
  optim::State state;
  for (const auto& [name, t] : usual) state[name] = t.clone();
  const bool trained = choices.flag();
  if (trained) step(optimizer, 2);
  while (!choices.empty() && !state.empty()) {
    const auto at =
        std::next(state.begin(), static_cast<std::ptrdiff_t>(choices.below(state.size())));
    Tensor& t = at->second;
    constexpr double kHuge = 1e300, kInf = std::numeric_limits<double>::infinity();
    const std::array values{0.0,
                            1.0,
                            -1.0,
                            0.5,
                            1e-300,
                            1e19,
                            -1e19,
                            kHuge,
                            kInf,
                            -kInf,
                            std::numeric_limits<double>::quiet_NaN(),
                            9007199254740993.0};
    const double value = values[choices.below(values.size())];
    switch (choices.below(6)) {
      case 0:
        state.erase(at);
        break;
      case 1:
        state.emplace(at->first + "x", t);
        break;
      case 2:
        t = Tensor();
        break;
      case 3:
        t = zeros({static_cast<std::int64_t>(choices.below(4))},
                  t.defined() ? t.dtype() : kFloat32);
        break;
      case 4:
        t = full(t.defined() ? t.shape() : Shape{}, value, choices.flag() ? kFloat64 : kFloat32);
        break;
      default:
        if (!t.defined()) break;
        if (t.dtype() == kInt64)
          t = full(t.shape(),
                   choices.flag() ? std::numeric_limits<std::int64_t>::min()
                                  : static_cast<std::int64_t>(choices.byte()) - 9,
                   kInt64);
        else if (t.dtype() == kFloat32)
          t = full(t.shape(), static_cast<double>(static_cast<float>(value)), kFloat32);
        else
          t = full(t.shape(), value, t.dtype());
    }
  }
  const optim::State before = optimizer.state_dict();
  const std::string described = optimizer.to_string();
  if (!fuzz::accepts([&] { optimizer.load_state_dict(state); })) {
    fuzz::require(same(before, optimizer.state_dict()) && optimizer.to_string() == described,
                  "a refused state changes nothing: " + text);
    return 0;
  }
  // States of earlier versions lack the policy, which then stays.
  state.try_emplace("optimizer/non_finite", before.at("optimizer/non_finite"));
  fuzz::require(same(state, optimizer.state_dict()), "a loaded state is given back: " + text);
  fuzz::accepts([&] { step(optimizer, 2); });
  return 0;
}
