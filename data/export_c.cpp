// The header of C: tables of numbers that stand for the model, and the few functions that read
// them.
#include <descent/core/error.h>
#include <descent/core/text.h>
#include <descent/data/export.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace descent::data {
namespace {

/// A text as a literal of C. Everything but letters, digits and blanks is written by its number.
std::string literal(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
        c == '_') {
      out += c;
    } else {
      for (const int shift : {6, 3, 0}) out += static_cast<char>('0' + ((byte >> shift) & 7));
      out.insert(out.size() - 3, "\\");
    }
  }
  return out + "\"";
}

/// A number as a literal that gives the same bits.
template <class T>
std::string literal(T x) {
  char buffer[40];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return std::is_same_v<T, float> ? text + "f" : text;
}

/// "{a, b, c}" over several lines.
template <class Items, class F>
std::string list(const Items& items, F text_of, std::size_t a_line = 8) {
  std::string s = "{";
  std::size_t n = 0;
  for (const auto& item : items) {
    s += to_text(n == 0 ? "" : ",",
                 n % a_line == 0 && items.size() > a_line ? "\n  "
                 : n == 0                                 ? ""
                                                          : " ",
                 text_of(item));
    ++n;
  }
  return s + "}";
}

const char* formula_of(const std::string& activation) {
  constexpr std::array<std::pair<std::string_view, const char*>, 8> kFormulas{{
      {"relu", "x > 0.0f ? x : 0.0f"},
      {"tanh", "tanhf(x)"},
      {"sigmoid", "1.0f / (1.0f + expf(-x))"},
      {"gelu", "0.5f * x * (1.0f + erff(x * 0.70710678f))"},
      {"silu", "x / (1.0f + expf(-x))"},
      {"leaky_relu", "x > 0.0f ? x : 0.01f * x"},
      {"elu", "x > 0.0f ? x : expm1f(x)"},
      {"softplus", "(x > 0.0f ? x : 0.0f) + log1pf(expf(x > 0.0f ? -x : x))"},
  }};
  for (const auto& [name, formula] : kFormulas)
    if (name == activation) return formula;
  return "x";
}

/// Replaces every @ by the prefix, and every % by the prefix in capitals. Literals have neither.
std::string with_prefix(std::string_view text, const std::string& prefix) {
  std::string capitals;
  for (const char c : prefix) capitals += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  std::string out;
  for (const char c : text) out += c == '@' ? prefix : c == '%' ? capitals : std::string(1, c);
  return out;
}

/// Rows that touch everything: numbers around the mean, every word, an unknown word, and gaps.
std::vector<std::vector<float>> test_rows(const Schema& schema) {
  std::vector<std::vector<float>> rows(8);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < schema.features.size(); ++c) {
      const Feature& f = schema.features[c];
      const auto step = static_cast<double>((r * 5 + c * 3) % 8);
      float value = static_cast<float>(f.shift + f.mean + f.deviation * (step - 3.5) / 2);
      if (f.use == ColumnUse::category)
        value = static_cast<float>((r + c) % (f.words.size() + 1)) - 1;
      if (f.has_gaps && (r + c) % 5 == 0) value = std::numeric_limits<float>::quiet_NaN();
      rows[r].push_back(value);
    }
  return rows;
}

constexpr std::string_view kFunctions = R"(
static inline const char *@_column_name(int column) { return @_columns_[column]; }

/* The place of a word of a column, for the row of a prediction; -1 if it is unknown. */
static inline int @_word(int column, const char *word) {
  int i, k;
  const @_feature_ *f = &@_features_[column];
  for (i = 0; i < f->words; ++i) {
    const char *known = @_words_[f->first_word + i];
    for (k = 0; known[k] != '\0' && known[k] == word[k]; ++k) {
    }
    if (known[k] == word[k]) return i;
  }
  return -1;
}

static inline float @_activation_(float x) {
  return $;
}

/* One layer: y = x * w + b, with w as (in, out). */
static inline void @_dense_(const float *x, int in, int out, const float *w, const float *b,
                            float *y) {
  int i, o;
  for (o = 0; o < out; ++o) y[o] = b[o];
  for (i = 0; i < in; ++i)
    if (x[i] < 0.0f || x[i] > 0.0f)
      for (o = 0; o < out; ++o) y[o] += x[i] * w[i * out + o];
}

/* What becomes of the columns of a row. */
static inline void @_encode_(const double *row, float *x) {
  int c, i;
  for (c = 0; c < %_COLUMNS; ++c) {
    const @_feature_ *f = &@_features_[c];
    const int gap = row[c] != row[c];
    const double value = gap ? f->fill : f->words > 0 ? row[c] : row[c] - f->shift;
    if (f->words == 0) {
      const double z = (value - f->mean) / f->deviation;
      *x++ = (float)(f->smooth_clip ? z / sqrt(1.0 + z * z / 9.0) : z);
    } else if (f->words <= 2) {
      *x++ = value < 0.0 && f->words == 2 ? 0.5f : (int)value == f->words - 1 ? 1.0f : 0.0f;
    } else {
      for (i = 0; i < f->words; ++i) *x++ = (int)value == i ? 1.0f : 0.0f;
    }
    if (f->has_gaps) *x++ = gap ? 1.0f : 0.0f;
  }
}

/* Predicts one row. row: a number for each column; of words the place that @_word() gives; NAN for
   a gap. out: $out. */
static inline void @_predict(const double row[%_COLUMNS], double out[%_OUTPUTS]) {
  float inputs[%_INPUTS], a[%_WIDEST], b[%_WIDEST];
  int n, l, i;
  @_encode_(row, inputs);
  for (i = 0; i < %_OUTPUTS; ++i) out[i] = 0.0;
  for (n = 0; n < %_NETWORKS; ++n) {
    const float *x = inputs;
    float *y = a;
    for (l = 0; l < %_LAYERS; ++l) {
      y = x == a ? b : a;
      @_dense_(x, @_widths_[l], @_widths_[l + 1], @_weights_[n * %_LAYERS + l],
               @_biases_[n * %_LAYERS + l], y);
      if (l + 1 < %_LAYERS)
        for (i = 0; i < @_widths_[l + 1]; ++i) y[i] = @_activation_(y[i]);
      x = y;
    }
$finish  }
  for (i = 0; i < %_OUTPUTS; ++i) out[i] /= (double)%_NETWORKS;
}
)";

constexpr std::string_view kSoftmax = R"(    {
      float most = y[0], total = 0.0f;
      for (i = 1; i < %_OUTPUTS; ++i) most = y[i] > most ? y[i] : most;
      for (i = 0; i < %_OUTPUTS; ++i) total += y[i] = expf(y[i] - most);
      for (i = 0; i < %_OUTPUTS; ++i) out[i] += (double)(y[i] / total);
    }
)";

constexpr std::string_view kClasses = R"(
/* The class with the largest probability; see @_class_name(). */
static inline int @_class(const double out[%_OUTPUTS]) {
  int i, best = 0;
  for (i = 1; i < %_OUTPUTS; ++i) best = out[i] > out[best] ? i : best;
  return best;
}
static inline const char *@_class_name(int place) { return @_classes_[place]; }
)";

constexpr std::string_view kSelfTest = R"(
/* Predicts the stored rows. Returns how many come out wrong: 0 if all is well. */
static inline int @_self_test(void) {
  int r, c, wrong = 0;
  for (r = 0; r < %_TEST_ROWS; ++r) {
    double row[%_COLUMNS];
    double out[%_OUTPUTS];
    int same = 1;
    for (c = 0; c < %_COLUMNS; ++c) row[c] = @_test_gaps_[r][c] ? NAN : @_test_rows_[r][c];
    @_predict(row, out);
    for (c = 0; c < %_OUTPUTS; ++c)
      if (!(fabs(out[c] - @_test_outputs_[r][c]) <= @_tolerances_[c])) same = 0;
    wrong += !same;
  }
  return wrong;
}
)";

std::string replaced(std::string text, std::string_view mark, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != text.npos; at += by.size())
    text.replace(at, mark.size(), by);
  return text;
}

}  // namespace

std::string to_c(const TableModel& model, const std::string& prefix) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (prefix.empty() || !letter(prefix[0]) ||
      !std::all_of(prefix.begin(), prefix.end(),
                   [&](char c) { return letter(c) || (c >= '0' && c <= '9'); }))
    fail<ValueError>("to_c", "got the prefix '", brief(prefix),
                     "', expected letters, digits and _, not beginning with a digit");
  const Schema& schema = model.schema;
  const bool classes = !schema.target.classes.empty();
  std::string arrays, features;
  std::vector<std::string> words, names, weights, biases, widths;
  std::int64_t widest = model.network.outputs;
  for (const Feature& f : schema.features) {
    features +=
        to_text(features.empty() ? "" : ",", "\n  {", literal(f.shift), ", ", literal(f.mean), ", ",
                literal(f.deviation), ", ", literal(f.fill), ", ", f.words.size(), ", ",
                words.size(), ", ", f.has_gaps ? 1 : 0, ", ", f.smooth_clip ? 1 : 0, "}");
    names.push_back(f.name);
    words.insert(words.end(), f.words.begin(), f.words.end());
  }
  if (words.empty()) words.emplace_back();
  for (std::size_t n = 0; n < model.nets.size(); ++n) {
    const std::vector<DenseLayer> layers = model.layers(n);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      for (const auto& [name, t, all] :
           {std::tuple{"w", layers[l].weight, &weights}, {"b", layers[l].bias, &biases}}) {
        const auto numbers = t.to_vector<float>();
        for (const float x : numbers)
          if (!std::isfinite(x))
            fail<ValueError>("to_c", "got a model with a weight of ", x, ", expected finite ones");
        all->push_back(to_text("@_", name, n, "_", l, "_"));
        arrays += to_text("static const float ", all->back(), "[", numbers.size(),
                          "] = ", list(numbers, [](float x) { return literal(x); }), ";\n");
      }
      widest = std::max(widest, layers[l].bias.numel());
      if (n > 0) continue;
      if (l == 0) widths.push_back(to_text(layers[l].weight.size(0)));
      widths.push_back(to_text(layers[l].bias.numel()));
    }
  }
  std::string name;
  std::vector<double> scales, shifts, tolerances;
  for (const Target& t : schema.all_targets()) {
    name += (name.empty() ? "" : " and ") + t.name;
    scales.push_back(t.deviation), shifts.push_back(t.mean + t.shift);
    tolerances.push_back(4e-6 * t.deviation);
  }
  if (classes) tolerances.assign(schema.target.classes.size(), 1e-6);
  const auto as_is = [](const std::string& s) { return s; };
  const auto as_number = [](double x) { return literal(x); };
  const auto as_text = [](const std::string& s) { return literal(s); };
  const auto rows = test_rows(schema);
  std::vector<std::string> values, gaps, outputs;
  for (const std::vector<float>& row : rows) {
    std::vector<double> out(static_cast<std::size_t>(model.network.outputs));
    model.predict(row, out);
    values.push_back(
        list(row, [](float x) { return literal(std::isnan(x) ? 0.0 : static_cast<double>(x)); }));
    gaps.push_back(list(
        row, [](float x) { return std::isnan(x) ? "1" : "0"; }, 30));
    outputs.push_back(list(out, [](double x) { return literal(x); }));
  }
  std::string text = to_text(
      "/* A model of ", literal(name), R"(, made by Descent.

   double row[%_COLUMNS];   a value for each column: see @_column_name(); of a word the place that
                              @_word() gives, and NAN for a gap
   double out[%_OUTPUTS];    )",
      classes ? "the probability of each class: see @_class_name()" : "the predicted values",
      R"(
   @_predict(row, out);
   @_self_test()            0 if this compiler predicts what it should */
#ifndef %_MODEL_H
#define %_MODEL_H

#include <math.h>

)",
      "#define %_COLUMNS ", schema.features.size(), "\n#define %_INPUTS ", widths[0],
      "\n#define %_OUTPUTS ", model.network.outputs, "\n#define %_NETWORKS ", model.nets.size(),
      "\n#define %_LAYERS ", model.network.hidden.size() + 1, "\n#define %_WIDEST ", widest,
      "\n#define %_TEST_ROWS ", rows.size(), R"(

typedef struct {
  double shift, mean, deviation, fill;
  int words, first_word, has_gaps, smooth_clip;
} @_feature_;
)");
  text += to_text("static const char *const @_columns_[%_COLUMNS] = ", list(names, as_text, 4),
                  ";\n", "static const char *const @_words_[] = ", list(words, as_text, 4), ";\n",
                  classes ? to_text("static const char *const @_classes_[%_OUTPUTS] = ",
                                    list(schema.target.classes, as_text, 4), ";\n")
                          : std::string(),
                  "static const @_feature_ @_features_[%_COLUMNS] = {", features, "};\n");
  arrays += to_text(
      "static const int @_widths_[%_LAYERS + 1] = ", list(widths, as_is), ";\n",
      "static const float *const @_weights_[%_NETWORKS * %_LAYERS] = ", list(weights, as_is), ";\n",
      "static const float *const @_biases_[%_NETWORKS * %_LAYERS] = ", list(biases, as_is), ";\n",
      classes ? std::string()
              : to_text("static const double @_scales_[%_OUTPUTS] = ", list(scales, as_number),
                        ";\nstatic const double @_shifts_[%_OUTPUTS] = ", list(shifts, as_number),
                        ";\n"),
      "static const double @_tolerances_[%_OUTPUTS] = ", list(tolerances, as_number), ";\n",
      "static const double @_test_rows_[%_TEST_ROWS][%_COLUMNS] = ", list(values, as_is, 1), ";\n",
      "static const char @_test_gaps_[%_TEST_ROWS][%_COLUMNS] = ", list(gaps, as_is, 1), ";\n",
      "static const double @_test_outputs_[%_TEST_ROWS][%_OUTPUTS] = ", list(outputs, as_is, 1),
      ";\n");
  std::string functions(kFunctions);
  functions = replaced(functions, "$finish",
                       classes ? std::string(kSoftmax)
                               : "    for (i = 0; i < %_OUTPUTS; ++i)\n"
                                 "      out[i] += (double)y[i] * @_scales_[i] + @_shifts_[i];\n");
  functions = replaced(functions, "$out",
                       classes ? "the probability of each class" : "the predicted values");
  functions = replaced(functions, "return $;",
                       to_text("return ", formula_of(model.network.activation), ";"));
  if (classes) functions += kClasses;
  functions += kSelfTest;
  return with_prefix(text + arrays + functions + "\n#endif\n", prefix);
}

}  // namespace descent::data
