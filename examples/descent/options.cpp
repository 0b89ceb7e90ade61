#include "options.h"

#include <cstdlib>

namespace app {

using descent::concat;

namespace {

/// A check with a message that says what is expected: CLI11's own prints the largest double.
CLI::Validator number(const char* expected, bool (*legal)(double)) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        char* end = nullptr;
        const double x = std::strtod(text.c_str(), &end);
        if (!text.empty() && *end == '\0' && legal(x)) return "";
        return concat("got '", text, "', expected ", expected);
      },
      "");
}
const CLI::Validator kAboveZero =
    number("a number above 0", [](double x) { return x > 0 && x < 1e300; });
const CLI::Validator kZeroOrMore =
    number("0 or more", [](double x) { return x >= 0 && x < 1e300; });
const CLI::Validator kCount = number("a whole number of 1 or more", [](double x) {
  return x >= 1 && x < 1e9 && x == static_cast<double>(static_cast<long>(x));
});
const CLI::Validator kWhole = number("a whole number from 0 to 2^53", [](double x) {
  return x >= 0 && x <= 9007199254740992.0 && x == static_cast<double>(static_cast<long long>(x));
});
const CLI::Validator kShare =
    number("a share from 0 to below 1", [](double x) { return x >= 0 && x < 1; });
const CLI::Validator kPart =
    number("a share above 0 and below 1", [](double x) { return x > 0 && x < 1; });

}  // namespace

void add_options(CLI::App& c, Options& o, bool compare) {
  c.add_option("--data", o.data,
               "digits, iris, wine, moons, spirals, blobs, xor, linear, sine, a CSV file, or a "
               "folder of IDX files")
      ->capture_default_str();
  c.add_option("--target", o.target,
               "column of a CSV that is to be predicted, by name or number (default: the last)");
  c.add_option("--drop", o.drop, "columns of a CSV to leave out, by name or number, as id,name")
      ->delimiter(',');
  c.add_option("--task", o.task, "what a CSV's target is: auto, classification, regression")
      ->check(CLI::IsMember({"auto", "classification", "regression"}))
      ->capture_default_str();
  c.add_option("--standardize", o.standardize,
               "scale features, and the target of a regression, by training statistics: auto "
               "(tables), on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  c.add_option("--hidden", o.hidden, "widths of the hidden layers, as 64,64; 0 for none")
      ->delimiter(',')
      ->capture_default_str();
  c.add_option("--activation", o.activation,
               "relu, tanh, sigmoid, gelu, silu, leaky_relu, elu, softplus")
      ->capture_default_str();
  c.add_option("--dropout", o.dropout, "probability after each hidden layer")
      ->check(kShare)
      ->capture_default_str();
  c.add_flag("--batch-norm", o.batch_norm, "batch normalisation after each hidden layer");
  c.add_option("--optimizer", o.optimizer,
               compare ? "compare only these, separated by commas (default: all of the article)"
                       : "a rule, or one with wrappers, as 'sam(adamw(lr=0.001), rho=0.05)': see "
                         "`descent explain`");
  if (!compare) c.get_option("--optimizer")->capture_default_str();
  c.add_option("--lr", o.lr,
               compare ? "one learning rate for all, instead of each one's list"
                       : "learning rate (default: the rule's)")
      ->check(kAboveZero);
  c.add_option("--set", o.set, "a setting of the rule, as weight_decay=0.05; may be repeated")
      ->allow_extra_args(false);
  c.add_option("--schedule", o.schedule,
               "of the learning rate over the whole run: constant, step, exponential, linear, "
               "cosine, one_cycle, plateau")
      ->check(CLI::IsMember(
          {"constant", "step", "exponential", "linear", "cosine", "one_cycle", "plateau"}))
      ->capture_default_str();
  c.add_option("--warmup", o.warmup, "steps of linear warm-up before the schedule")
      ->check(kWhole)
      ->capture_default_str();
  c.add_option("--sam", o.sam, "sharpness-aware minimisation with this radius")->check(kZeroOrMore);
  c.add_option("--clip-norm", o.clip_norm, "clip the norm of all gradients")->check(kZeroOrMore);
  c.add_option("--clip-value", o.clip_value, "clip each element of the gradients")
      ->check(kZeroOrMore);
  c.add_option("--swa", o.swa, "average the weights from this share of the run on, as 0.75")
      ->check(kShare);
  c.add_option("--ema", o.ema, "keep a moving average of the weights with this decay")
      ->check(kShare);
  c.add_option("--epochs", o.epochs, "passes over the training data")
      ->check(kCount)
      ->capture_default_str();
  c.add_option("--batch", o.batch, "samples a step")->check(kCount)->capture_default_str();
  if (compare)
    c.add_option("--seeds", o.seeds, "runs of each optimizer, with seeds 1, 2, …")
        ->check(kCount)
        ->capture_default_str();
  else
    c.add_option("--seed", o.seed, "of the split, the initial weights and the order of batches")
        ->check(kWhole)
        ->capture_default_str();
  c.add_option("--threads", o.threads, "threads to use (default: all cores)")->check(kWhole);
  c.add_option("--validation", o.validation,
               compare ? "share of the data kept for the test, shown once"
                       : "share of the data kept for validation")
      ->check(kPart)
      ->capture_default_str();
  if (!compare)
    c.add_option("--trace", o.trace,
                 "CSV file for what each step does to each parameter: norms, ratios, clipping");
  c.add_option("--out", o.out,
               compare ? "folder for report.html and results.csv (default: the present one)"
                       : "folder for settings.json, metrics.csv and model.safetensors");
}

std::vector<std::pair<std::string, std::string>> listing(const Options& o, bool compare) {
  std::string hidden, set, drop;
  for (const std::string& d : o.drop) drop += concat(drop.empty() ? "" : ",", d);
  for (const int h : o.hidden) hidden += concat(hidden.empty() ? "" : ",", h);
  for (const std::string& s : o.set) set += concat(set.empty() ? "" : " ", s);
  std::vector<std::pair<std::string, std::string>> all{
      {"data", o.data},
      {"target", o.target},
      {"drop", drop},
      {"task", o.task},
      {"standardize", o.standardize},
      {"hidden", hidden},
      {"activation", o.activation},
      {"dropout", concat(o.dropout)},
      {"batch_norm", concat(o.batch_norm)},
      {"optimizer", o.optimizer},
      {"lr", o.lr > 0  ? concat(o.lr)
             : compare ? "each one's list"
                       : "the rule's default"},
      {"set", set},
      {"schedule", o.schedule},
      {"warmup", concat(o.warmup)},
      {"sam", concat(o.sam)},
      {"clip_norm", concat(o.clip_norm)},
      {"clip_value", concat(o.clip_value)},
      {"swa", concat(o.swa)},
      {"ema", concat(o.ema)},
      {"epochs", concat(o.epochs)},
      {"batch", concat(o.batch)},
      {compare ? "seeds" : "seed", compare ? concat(o.seeds) : std::to_string(o.seed)},
      {"validation", concat(o.validation)},
  };
  return all;
}

}  // namespace app
