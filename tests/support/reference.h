// Reads the numbers that tests/reference/*.py wrote (see reference.py for the format).
#pragma once

#include <descent/core/create.h>

#include <gtest/gtest.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
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
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    if (key == "case") {
      std::getline(words >> std::ws, word);
      current = &cases[word];
      continue;
    }
    Shape shape;
    while (words >> word && word != ":") shape.push_back(std::stoll(word));
    std::vector<double> values;
    while (words >> word) values.push_back(std::stod(word));
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
