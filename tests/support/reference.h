// Reads the numbers that tests/reference/*.py wrote (see reference.py for the format).
#pragma once

#include <descent/core/create.h>
#include <descent/core/text.h>

#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace descent::testing {

/// A case: for each key its tensors, in the order of the file. All tensors are float64.
using ReferenceCase = std::map<std::string, std::vector<Tensor>>;

inline std::map<std::string, ReferenceCase> read_reference(const std::string& file) {
  std::ifstream in(std::string(DESCENT_REFERENCE_DIR) + "/" + file);
  EXPECT_TRUE(in) << "no " << file;
  std::map<std::string, ReferenceCase> cases;
  ReferenceCase* current = nullptr;
  for (std::string line; std::getline(in, line);) {
    std::string_view rest = line;
    const auto word = [&] {
      rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
      const std::string_view w = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), w.size() + 1));
      return w;
    };
    const std::string key(word());
    if (key == "case") {
      current = &cases[std::string(rest)];
      continue;
    }
    Shape shape;
    for (auto w = word(); w != ":"; w = word())
      shape.push_back(static_cast<std::int64_t>(parse_number(w).value()));
    std::vector<double> values;
    while (!rest.empty()) values.push_back(parse_number(word()).value());
    (*current)[key].push_back(tensor(values, shape));
  }
  return cases;
}

/// The largest |a − b| / max(1, |b|) over all elements. If the shapes differ or there is a NaN,
/// returns infinity.
inline double deviation(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double gap = std::fabs(x[i] - y[i]) / std::max(1.0, std::fabs(y[i]));
    if (!(gap <= worst)) worst = gap != gap ? INFINITY : gap;
  }
  return worst;
}

}  // namespace descent::testing
