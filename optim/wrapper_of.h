// What all wrappers share: options whose fields are listed once, and what may go around what.
// Internal.
#pragma once

#include <descent/optim/optimizer.h>

#include <algorithm>

namespace descent::optim::detail {

/// What a wrapper does: to gradients, each element by itself or not; or to weights.
enum class Role { changes_elements, changes_gradients, climbs, averages, moves_weights, neither };

/// Throws ValueError, with the reason, when a wrapper of this role cannot go around `inner`.
void check_order(std::string_view wrapper, Role role, Stage& inner);

template <class Options>
class WrapperOf : public Wrapper {
 public:
  WrapperOf(std::unique_ptr<Stage> inner, Options options, Role role)
      : Wrapper(std::move(inner)), options_(std::move(options)), role_(role) {
    check_order(name(), role, *inner_);
    check_fields(name(), [this](FieldVisitor& f) { own_fields(f); });
  }
  std::string_view name() const override { return Options::card.name; }
  bool elementwise() const override {
    return role_ != Role::changes_gradients && role_ != Role::climbs && inner_->elementwise();
  }

 protected:
  void own_fields(FieldVisitor& f) override {
    Options::fields(options_, [&f](auto&&... field) { f(field...); });
  }
  static std::int64_t whole(const Hyper& h, std::int64_t step) {
    return static_cast<std::int64_t>(std::min(h(step), 9e18));
  }
  Options options_;

 private:
  Role role_;
};

/// The wrapper W around an optimizer.
template <class W, class... Args>
Optimizer wrap_in(Optimizer inner, Args&&... args) {
  return wrap(std::move(inner), [&](std::unique_ptr<Stage> stage) {
    return std::make_unique<W>(std::move(stage), std::forward<Args>(args)...);
  });
}

}  // namespace descent::optim::detail
