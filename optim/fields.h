// Walking over the fields of rules and wrappers, for checking, printing and saving. Internal.
#pragma once

#include <descent/core/create.h>
#include <descent/optim/optimizer.h>

#include <functional>
#include <string>

namespace descent::optim::detail {

/// Calls f for each field as (name, Hyper&, const Range*) or (name, bool&).
struct Fields final : FieldVisitor {
  std::function<void(std::string_view, Hyper*, const Range*, bool*)> f;
  explicit Fields(decltype(f) function) : f(std::move(function)) {}
  void operator()(std::string_view name, Hyper& value, const Range& range) override {
    f(name, &value, &range, nullptr);
  }
  void operator()(std::string_view name, bool& value) override {
    f(name, nullptr, nullptr, &value);
  }
};

inline Tensor number(double x) { return full({}, x, kFloat64); }
inline Tensor number(std::int64_t n) { return full({}, n, kInt64); }

/// "name(a=1, b=true)" of fields, with a leading part.
std::string list_fields(std::string_view name, const std::string& first,
                        const std::function<void(FieldVisitor&)>& visit);

}  // namespace descent::optim::detail
