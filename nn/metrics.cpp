#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>
#include <descent/nn/metrics.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string_view>

namespace descent::nn {
namespace {

constexpr std::size_t kBins = 15;
constexpr double kLeastProbability = 1.1920929e-7;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

using Weights = std::vector<double>;  // how often each row was drawn
using Values = std::vector<double>;   // one for each measure

/// What every measure starts from: each row's class, its prediction, and orders of the rows.
struct Classified {
  std::size_t classes = 0;
  std::vector<std::size_t> truth, predicted, bin;
  std::vector<double> loss, confidence;
  // For each class the rows by rising probability, and where equal probabilities begin anew.
  std::vector<std::vector<std::size_t>> orders;
  std::vector<std::vector<bool>> starts;
};

Classified classified(const Tensor& probabilities, const Tensor& labels, bool with_orders) {
  if (probabilities.dim() != 2 || labels.dim() != 1 || labels.dtype() != kInt64 ||
      probabilities.size(0) != labels.size(0))
    fail<ShapeError>("metrics", "got probabilities ", probabilities.shape(), " and labels ",
                     labels.shape(),
                     ", expected (N, C) and int64 (N). Hint: for one probability p (N) of class "
                     "1, stack({1 - p, p}, 1)");
  const auto n = static_cast<std::size_t>(labels.size(0)),
             classes = static_cast<std::size_t>(probabilities.size(1));
  if (n == 0 || classes < 2)
    fail<ValueError>("metrics", "got probabilities ", probabilities.shape(),
                     ", expected at least one row and two classes");
  const auto p = probabilities.to_vector<double>();
  const auto y = labels.to_vector<std::int64_t>();
  Classified c;
  c.classes = classes;
  for (std::size_t r = 0; r < n; ++r) {
    const double* const row = p.data() + r * classes;
    if (y[r] < 0 || static_cast<std::size_t>(y[r]) >= classes)
      fail<ValueError>("metrics", "got label ", y[r], ", expected one in [0, ", classes, ")");
    for (std::size_t k = 0; k < classes; ++k)
      if (!(row[k] >= 0 && row[k] <= 1.0001))
        fail<ValueError>("metrics", "got the probability ", row[k],
                         ", expected one in [0, 1]. Hint: softmax(logits, 1)");
    const auto truth = static_cast<std::size_t>(y[r]);
    const auto best = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
    c.truth.push_back(truth);
    c.predicted.push_back(best);
    c.confidence.push_back(row[best]);
    c.bin.push_back(std::min(static_cast<std::size_t>(row[best] * kBins), kBins - 1));
    c.loss.push_back(-std::log(std::clamp(row[truth], kLeastProbability, 1.0)));
  }
  if (!with_orders) return c;
  c.orders.resize(classes);
  c.starts.resize(classes);
  for (std::size_t k = classes == 2 ? 1 : 0; k < classes; ++k) {
    std::vector<std::size_t>& order = c.orders[k];
    order.resize(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto at = [&](std::size_t r) { return p[r * classes + k]; };
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return at(a) < at(b); });
    for (std::size_t i = 0; i < n; ++i)
      c.starts[k].push_back(i == 0 || at(order[i]) != at(order[i - 1]));
  }
  return c;
}

/// The area under the curve of class k against all others: the share of pairs in the right order,
/// where equal probabilities count half.
double auc_of(const Classified& c, std::size_t k, const Weights& w) {
  double below = 0, pairs = 0, others = 0, own = 0;  // `below`: others with a smaller probability
  double own_here = 0, others_here = 0;
  const auto close = [&] {
    pairs += own_here * (below + others_here / 2);
    below += others_here;
    own_here = others_here = 0;
  };
  for (std::size_t i = 0; i < c.orders[k].size(); ++i) {
    if (c.starts[k][i]) close();
    const std::size_t r = c.orders[k][i];
    const bool is_own = c.truth[r] == k;
    (is_own ? own_here : others_here) += w[r];
    (is_own ? own : others) += w[r];
  }
  close();
  return own > 0 && others > 0 ? pairs / (own * others) : kNone;
}

/// The mean of the values that are defined.
class Mean {
 public:
  void add(double x) {
    if (!std::isnan(x)) sum_ += x, n_ += 1;
  }
  double value() const { return n_ > 0 ? sum_ / n_ : kNone; }

 private:
  double sum_ = 0, n_ = 0;
};

struct BinSums {
  double rows = 0, confidence = 0, hits = 0;
};
std::vector<BinSums> bins_of(const Classified& c, const Weights& w) {
  std::vector<BinSums> bins(kBins);
  for (std::size_t r = 0; r < w.size(); ++r) {
    BinSums& bin = bins[c.bin[r]];
    bin.rows += w[r];
    bin.confidence += w[r] * c.confidence[r];
    bin.hits += c.predicted[r] == c.truth[r] ? w[r] : 0;
  }
  return bins;
}

const std::vector<Measure> kClassification{
    {"accuracy"}, {"balanced accuracy"},        {"macro F1"},
    {"AUC"},      {"log loss", 0, 0, 0, false}, {"calibration error", 0, 0, 0, false}};
Values classification(const Classified& c, const Weights& w) {
  Weights own(c.classes), found(c.classes), called(c.classes);
  double all = 0, hits = 0, loss = 0;
  for (std::size_t r = 0; r < w.size(); ++r) {
    all += w[r];
    loss += w[r] * c.loss[r];
    own[c.truth[r]] += w[r];
    called[c.predicted[r]] += w[r];
    if (c.predicted[r] == c.truth[r]) hits += w[r], found[c.truth[r]] += w[r];
  }
  Mean recall, f1, auc;
  for (std::size_t k = 0; k < c.classes; ++k) {
    recall.add(own[k] > 0 ? found[k] / own[k] : kNone);
    f1.add(own[k] + called[k] > 0 ? 2 * found[k] / (own[k] + called[k]) : kNone);
    if (!c.orders[k].empty()) auc.add(auc_of(c, k, w));
  }
  double calibration = 0;
  for (const BinSums& bin : bins_of(c, w)) calibration += std::fabs(bin.confidence - bin.hits);
  return {hits / all, recall.value(), f1.value(), auc.value(), loss / all, calibration / all};
}

/// Predicted and measured values, and the rows by rising |error|.
struct Compared {
  Values predicted, measured;
  std::vector<std::size_t> order;
};

const std::vector<Measure> kRegression{{"R2"},
                                       {"RMSE", 0, 0, 0, false},
                                       {"MAE", 0, 0, 0, false},
                                       {"half of errors below", 0, 0, 0, false},
                                       {"90 % of errors below", 0, 0, 0, false}};
Values regression(const Compared& c, const Weights& w) {
  double all = 0, mean = 0;
  for (std::size_t r = 0; r < w.size(); ++r) all += w[r], mean += w[r] * c.measured[r];
  mean /= all;
  double squares = 0, absolute = 0, spread = 0;
  for (std::size_t r = 0; r < w.size(); ++r) {
    const double error = c.predicted[r] - c.measured[r], d = c.measured[r] - mean;
    squares += w[r] * error * error;
    absolute += w[r] * std::fabs(error);
    spread += w[r] * d * d;
  }
  Values values{spread > 0 ? 1 - squares / spread : kNone, std::sqrt(squares / all),
                absolute / all};
  for (const double share : {0.5, 0.9}) {
    double below = 0;
    for (const std::size_t r : c.order)
      if ((below += w[r]) >= share * all) {
        values.push_back(std::fabs(c.predicted[r] - c.measured[r]));
        break;
      }
  }
  return values;
}

/// Fills in value and interval of each measure. `of` computes all measures for rows with weights.
std::vector<Measure> bootstrap(std::vector<Measure> measures, std::size_t rows,
                               const BootstrapOptions& o,
                               const std::function<Values(const Weights&)>& of) {
  if (o.resamples < 0 || !(o.level > 0 && o.level < 1))
    fail<ValueError>("metrics", "got ", o.resamples, " resamples at level ", o.level,
                     ", expected 0 or more, and a level between 0 and 1");
  const Values whole = of(Weights(rows, 1.0));
  std::vector<Values> drawn(static_cast<std::size_t>(o.resamples));
  parallel_for(o.resamples, 8, [&](std::int64_t begin, std::int64_t end) {
    Weights w;
    for (std::int64_t b = begin; b < end; ++b) {
      Generator random(o.seed, static_cast<std::uint64_t>(b));
      w.assign(rows, 0.0);
      for (std::size_t r = 0; r < rows; ++r) ++w[random.below(rows)];
      drawn[static_cast<std::size_t>(b)] = of(w);
    }
  });
  for (std::size_t m = 0; m < measures.size(); ++m) {
    measures[m].value = measures[m].low = measures[m].high = whole[m];
    Values sorted;
    for (const Values& v : drawn)
      if (!std::isnan(v[m])) sorted.push_back(v[m]);
    if (sorted.empty()) continue;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double share) {
      const double place = share * static_cast<double>(sorted.size() - 1);
      return sorted[static_cast<std::size_t>(std::lround(place))];
    };
    measures[m].low = at((1 - o.level) / 2);
    measures[m].high = at((1 + o.level) / 2);
  }
  return measures;
}

}  // namespace

std::vector<Measure> classification_measures(const Tensor& probabilities, const Tensor& labels,
                                             const BootstrapOptions& options) {
  const Classified c = classified(probabilities, labels, true);
  return bootstrap(kClassification, c.truth.size(), options,
                   [&](const Weights& w) { return classification(c, w); });
}

std::vector<Measure> regression_measures(const Tensor& predicted, const Tensor& measured,
                                         const BootstrapOptions& options) {
  const auto is_column = [](const Tensor& t) {
    return t.dim() == 1 || (t.dim() == 2 && t.size(1) == 1);
  };
  if (!is_column(predicted) || !is_column(measured) || predicted.size(0) != measured.size(0))
    fail<ShapeError>("metrics", "got predictions ", predicted.shape(), " and measurements ",
                     measured.shape(), ", expected (N) or (N, 1) of both");
  if (predicted.size(0) == 0) fail<ValueError>("metrics", "got no rows, expected at least one");
  Compared c{predicted.to_vector<double>(), measured.to_vector<double>(), {}};
  for (const Values* all : {&c.predicted, &c.measured})
    for (const double x : *all)
      if (!std::isfinite(x)) fail<ValueError>("metrics", "got ", x, ", expected finite values");
  c.order.resize(c.predicted.size());
  std::iota(c.order.begin(), c.order.end(), std::size_t{0});
  const auto error = [&](std::size_t r) { return std::fabs(c.predicted[r] - c.measured[r]); };
  std::sort(c.order.begin(), c.order.end(),
            [&](std::size_t a, std::size_t b) { return error(a) < error(b); });
  return bootstrap(kRegression, c.order.size(), options,
                   [&](const Weights& w) { return regression(c, w); });
}

Tensor confusion_matrix(const Tensor& probabilities, const Tensor& labels) {
  const Classified c = classified(probabilities, labels, false);
  std::vector<std::int64_t> counts(c.classes * c.classes);
  for (std::size_t r = 0; r < c.truth.size(); ++r)
    ++counts[c.truth[r] * c.classes + c.predicted[r]];
  const auto n = static_cast<std::int64_t>(c.classes);
  return tensor(counts, {n, n});
}

std::vector<CalibrationBin> calibration_curve(const Tensor& probabilities, const Tensor& labels) {
  const Classified c = classified(probabilities, labels, false);
  std::vector<CalibrationBin> curve;
  for (const BinSums& bin : bins_of(c, Weights(c.truth.size(), 1.0)))
    curve.push_back({static_cast<std::int64_t>(bin.rows),
                     bin.rows > 0 ? bin.confidence / bin.rows : kNone,
                     bin.rows > 0 ? bin.hits / bin.rows : kNone});
  return curve;
}

namespace {

/// The value of one of the measures.
double one(const std::vector<Measure>& all, std::string_view name) {
  return std::find_if(all.begin(), all.end(), [&](const Measure& m) { return m.name == name; })
      ->value;
}
double of_classes(const Tensor& p, const Tensor& y, std::string_view name) {
  return one(classification_measures(p, y, {.resamples = 0}), name);
}
double of_values(const Tensor& p, const Tensor& y, std::string_view name) {
  return one(regression_measures(p, y, {.resamples = 0}), name);
}

/// The mean over the classes of hits over the sums of a confusion matrix along a dimension.
double mean_share(const Tensor& counts, bool of_predictions) {
  const auto n = static_cast<std::size_t>(counts.size(0));
  const auto c = counts.to_vector<std::int64_t>();
  Mean mean;
  for (std::size_t k = 0; k < n; ++k) {
    std::int64_t all = 0, own = 0;
    for (std::size_t i = 0; i < n; ++i) {
      all += of_predictions ? c[i * n + k] : c[k * n + i];
      own += c[k * n + i];
    }
    // A class that is never predicted has precision 0; one without a row does not count.
    if (own > 0)
      mean.add(all > 0 ? static_cast<double>(c[k * n + k]) / static_cast<double>(all) : 0);
  }
  return mean.value();
}

}  // namespace

double balanced_accuracy(const Tensor& p, const Tensor& y) {
  return of_classes(p, y, "balanced accuracy");
}
double precision(const Tensor& p, const Tensor& y) {
  return mean_share(confusion_matrix(p, y), true);
}
double recall(const Tensor& p, const Tensor& y) {
  return mean_share(confusion_matrix(p, y), false);
}
double f1_score(const Tensor& p, const Tensor& y) { return of_classes(p, y, "macro F1"); }
double auc(const Tensor& p, const Tensor& y) { return of_classes(p, y, "AUC"); }
double log_loss(const Tensor& p, const Tensor& y) { return of_classes(p, y, "log loss"); }
double calibration_error(const Tensor& p, const Tensor& y) {
  return of_classes(p, y, "calibration error");
}
double r2_score(const Tensor& p, const Tensor& y) { return of_values(p, y, "R2"); }
double rmse(const Tensor& p, const Tensor& y) { return of_values(p, y, "RMSE"); }
double mean_absolute_error(const Tensor& p, const Tensor& y) { return of_values(p, y, "MAE"); }

}  // namespace descent::nn
