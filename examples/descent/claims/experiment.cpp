#include "claims/experiment.h"

#include <descent/autograd/curvature.h>

#include <algorithm>
#include <numeric>

namespace app {

using namespace descent;

Tensor flat(const nn::Module& model) {
  std::vector<Tensor> parts;
  for (const Parameter& p : model.parameters()) parts.push_back(p.value.detach().flatten());
  return cat(parts).clone();
}

void set_flat(const nn::Module& model, const Tensor& values) {
  const NoGradGuard guard;
  std::int64_t begin = 0;
  for (const Parameter& p : model.parameters()) {
    p.value.copy_(values.narrow(0, begin, p.value.numel()).reshape(p.value.shape()));
    begin += p.value.numel();
  }
}

double sharpness(const Trained& t, const data::Dataset& d) {
  nn::Sequential model = t.model;
  std::vector<Tensor> weights;
  for (const Parameter& p : model.parameters()) weights.push_back(p.value);
  const auto hessian =
      curvature::hessian(weights, [&] { return nn::cross_entropy(model(d.x), d.y); });
  Generator generator(7);
  return curvature::lanczos(hessian, 40, generator).values[-1].item();
}

Trained trained(const Options& o, const data::Split& parts) {
  manual_seed(o.seed);
  Trained t{make_model(o, parts.train), {}};
  t.run = Training(o, t.model, parts.train, parts.test).trainer.run();
  return t;
}

double final_loss(const Options& o, const data::Split& parts) {
  const Run run = trained(o, parts).run;
  return run.diverged ? INFINITY : run.validation.loss;
}

std::vector<Series> along_line(const Trained& from, const Trained& to,
                               const std::vector<std::pair<const char*, data::Dataset>>& sets) {
  nn::Sequential model = from.model;
  const Tensor a = flat(from.model).clone(), b = flat(to.model).clone();
  std::vector<Series> lines;
  for (const auto& [name, set] : sets) lines.push_back({name, {}, {}});
  for (int i = -10; i <= 30; ++i) {
    const double t = i / 20.0;
    set_flat(model, a + (b - a) * t);
    for (std::size_t k = 0; k < sets.size(); ++k) {
      lines[k].x.push_back(t);
      lines[k].y.push_back(evaluate(model, sets[k].second).loss);
    }
  }
  set_flat(model, a);  // `model` shares its weights with from.model
  return lines;
}

void spoil_labels(data::Dataset& d, double share, std::uint64_t seed) {
  Generator generator(seed, 9);
  std::vector<std::int64_t> labels = d.y.to_vector<std::int64_t>();
  for (std::int64_t& y : labels)
    if (generator.uniform() < share)
      y = (y + 1 + static_cast<std::int64_t>(generator.below(9))) % 10;
  d.y = tensor(labels);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n == 0 ? NAN : n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double mean(const std::vector<double>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

std::string listed(const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double x : values) texts.push_back(format(x, "%.3g"));
  return joined(texts, " ");
}

int count_below(const std::vector<double>& a, const std::vector<double>& b) {
  int count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] < b[i];
  return count;
}

}  // namespace app
