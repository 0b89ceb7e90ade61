#include "run/options.h"

#include "run/data.h"
#include "run/optimizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace app {

using descent::brief;
using descent::parse_number;
using descent::to_text;
namespace nn = descent::nn;
namespace data = descent::data;

namespace {

/// A check of a number, whose message says what is expected. CLI11's own check would print the
/// largest double.
CLI::Validator number(const char* expected, bool (*legal)(double)) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        const std::optional<double> x = parse_number(text);
        if (x && legal(*x)) return "";
        return to_text("got '", brief(text), "', expected ", expected);
      },
      "");
}
const CLI::Validator kAboveZero =
    number("a number above 0", [](double x) { return x > 0 && x < 1e300; });
const CLI::Validator kZeroOrMore =
    number("0 or more", [](double x) { return x >= 0 && x < 1e300; });

/// A check of a whole number from `least` to `most`. It writes the number anew: CLI11 would take a
/// leading 0 for the sign of an octal number.
CLI::Validator whole(const char* expected, double least, double most) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        const std::optional<double> x = parse_number(text);
        if (!x || !(*x >= least && *x <= most) || *x != std::floor(*x))
          return to_text("got '", brief(text), "', expected ", expected);
        text = std::to_string(static_cast<std::int64_t>(*x));
        return "";
      },
      "");
}
const CLI::Validator kCount = whole("a whole number of 1 or more", 1, 999999999);
const CLI::Validator kRuns = whole("a whole number from 1 to 10000", 1, 10000);
const CLI::Validator kWhole = whole("a whole number below 2^53", 0, 9007199254740991.0);
const CLI::Validator kWidth = whole("whole numbers, as 64,64", -2147483648.0, 2147483647);
const CLI::Validator kShare =
    number("a share from 0 to below 1", [](double x) { return x >= 0 && x < 1; });
const CLI::Validator kPart =
    number("a share above 0 and below 1", [](double x) { return x > 0 && x < 1; });

/// A check that a text is one of these names.
CLI::Validator one_of(const std::vector<std::string>& names) {
  return CLI::Validator(
      [names](const std::string& text) {
        const bool known = std::find(names.begin(), names.end(), text) != names.end();
        return known ? std::string() : refusal(text, names);
      },
      "");
}
const CLI::Validator kName(
    [](const std::string& text) {
      return text.empty() ? std::string(
                                "got an empty name, expected one. Hint: a column without a "
                                "name has a number")
                          : std::string();
    },
    "");
std::vector<std::string> names_of_separators() {
  return {"auto", "comma", "semicolon", "tab", "bar", "blank"};
}
const std::vector<std::string> kTasks{"auto", "classification", "regression"};
const std::vector<std::string> kStandardize{"auto", "on", "off", "robust"};

/// A number as text, with as few digits as possible, so that reading gives the same number.
std::string exact(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
}

/// Seconds from a text: "90s", "10m", "2h", or a number of seconds.
double seconds_of(const std::string& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789.eE+-"), text.size());
  const double x = parse_number(std::string_view(text).substr(0, end)).value_or(0);
  const std::string unit = text.substr(end);
  const double scale = unit.empty() || unit == "s"    ? 1
                       : unit == "m" || unit == "min" ? 60
                       : unit == "h"                  ? 3600
                                                      : 0;
  if (!(x > 0 && x * scale <= 1e9) || scale == 0)
    throw CLI::ValidationError(
        to_text("got '", brief(text), "', expected a time as 90s, 10m or 2h"));
  return x * scale;
}

/// An option that is a number. CLI11 would read it as the host's locale writes numbers.
CLI::Option* add_number(CLI::App& c, const std::string& name, double& x, const std::string& help) {
  const auto read = [&x](const CLI::results_t& texts) {
    const std::optional<double> value = parse_number(texts.back());
    if (value) x = *value;
    return value.has_value();
  };
  return c.add_option(name, read, help)->type_name("FLOAT");
}

}  // namespace

namespace {

/// A preset of --preset: options and what they are set to unless they are given.
struct Preset {
  const char *name, *help;
  std::vector<std::pair<const char*, const char*>> options;
};
const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"tabular",
       "what helps most tables: after Holzmüller et al. 2024, arXiv:2407.04491",
       {{"--standardize", "robust"},
        {"--hidden", "256,256"},
        {"--activation", "silu"},
        {"--dropout", "0.1"},
        {"--label-smoothing", "0.1"},
        {"--lr", "0.004"},
        {"--schedule", "coslog4"},
        {"--epochs", "128"},
        {"--patience", "48"}}}};
  return all;
}

/// Gives an option a value, unless the command line or something earlier gave it one.
void set_unless_given(CLI::App& c, const std::string& option,
                      const std::vector<std::string>& texts) {
  CLI::Option* const o = c.get_option(option);
  if (o->count() > 0) return;
  for (const std::string& text : texts) o->add_result(text);
  o->run_callback();
}

/// Takes what the command line does not say from a settings.json of another run.
void read_config(CLI::App& c, const std::string& path) {
  const auto json = nlohmann::ordered_json::parse(descent::read_file(path), nullptr, false);
  if (!json.is_object())
    descent::fail<descent::FileError>(
        "--config", "got '", path, "', which is no JSON object, expected settings.json of a run");
  for (const auto& [key, value] : json.items()) {
    if (key == "rule" || key == "samples") continue;  // what came of the options
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    std::vector<std::string> known;
    for (const CLI::Option* option : c.get_options()) known.push_back(option->get_name());
    if (std::find(known.begin(), known.end(), name) == known.end() || name == "--config")
      descent::fail<UsageError>("--config", "got '", brief(key), "' in '", path,
                                "', expected names of options", did_you_mean(name, known));
    std::vector<std::string> texts;
    for (const auto& part : value.is_array() ? value : nlohmann::ordered_json{value})
      texts.push_back(part.is_string() ? part.get<std::string>() : part.dump());
    // The settings say so of what was not given.
    const bool off = texts.empty() || texts[0].empty() || texts[0] == "false" ||
                     texts[0] == "the rule's default" || texts[0] == "auto";
    if (!off) set_unless_given(c, name, texts);
  }
}

/// The options of `train` alone.
void add_train_options(CLI::App& c, Options& o) {
  c.add_option("--weight", o.weight, "column of a CSV with how much each row counts in training");
  c.add_option("--class-weights", o.class_weights,
               "none, or balanced: every class counts alike in training")
      ->check(one_of({"none", "balanced"}))
      ->capture_default_str();
  add_number(c, "--label-smoothing", o.label_smoothing,
             "share of each label that is spread over all classes; a target of numbers ignores it")
      ->check(kShare);
  c.add_option("--test", o.test, "CSV file that the model is measured on at the end");
  c.add_option("--trace", o.trace,
               "CSV file for what each step does to each parameter: norms, ratios, clipping");
  c.add_option("--patience", o.patience,
               "end after so many epochs without a lower validation loss, and keep the best "
               "weights; 0 keeps the last (default: 20, or 0 where a schedule or an average needs "
               "the whole run)")
      ->transform(kWhole);
  c.add_option("--cv", o.cv,
               "cross-validate in so many folds first: every row is predicted by a network that "
               "has not seen it")
      ->transform(whole("a whole number from 2 to 100", 2, 100));
  c.add_option("--ensemble", o.ensemble, "train so many networks, and average what they predict")
      ->transform(whole("a whole number from 1 to 1000", 1, 1000))
      ->capture_default_str();
  c.add_option("--preset", o.preset, "defaults for options that are not given: tabular")
      ->check(one_of(names_of(presets())));
  c.add_option("--config", o.config,
               "settings.json of another run, for options that are not given");
  c.add_flag("--force", o.force, "replace the model of an earlier run in --out");
  c.parse_complete_callback([&c, &o] {
    const bool own_rule = c.get_option("--optimizer")->count() > 0;
    for (const Preset& p : presets())
      if (o.preset == p.name)
        for (const auto& [option, text] : p.options)
          if (!own_rule || option != std::string_view("--lr")) set_unless_given(c, option, {text});
    if (!o.config.empty()) read_config(c, o.config);
    // A schedule or an average that covers the whole run must not be cut off.
    const bool whole_run = (o.schedule != "constant" && o.schedule != "plateau") || o.swa > 0 ||
                           o.ema > 0 || o.optimizer.find("swa") != std::string::npos ||
                           o.optimizer.find("ema") != std::string::npos;
    o.own_patience = c.get_option("--patience")->count() > 0;
    if (!o.own_patience && whole_run) o.patience = 0;
  });
}

}  // namespace

void add_format(CLI::App& c, Options& o) {
  c.add_option("--separator", o.separator, "of a CSV: " + joined(names_of_separators()))
      ->check(one_of(names_of_separators()))
      ->capture_default_str();
  c.add_option("--header", o.header, "whether the first row of a CSV holds names: auto, yes, no")
      ->check(one_of({"auto", "yes", "no"}))
      ->capture_default_str();
  c.add_option("--decimal", o.decimal, "what stands in the numbers of a CSV: auto, point, comma")
      ->check(one_of({"auto", "point", "comma", ".", ","}))
      ->capture_default_str();
}

data::TableOptions format_of(const Options& o) {
  data::TableOptions format;
  const auto separator = std::string_view(",;\t| ");
  const auto names = names_of_separators();
  for (std::size_t i = 1; i < names.size(); ++i)
    if (o.separator == names[i]) format.separator = separator[i - 1];
  if (o.decimal != "auto") format.decimal = o.decimal == "comma" || o.decimal == "," ? ',' : '.';
  if (o.header != "auto") format.header = o.header == "yes";
  return format;
}

void add_options(CLI::App& c, Options& o, bool compare) {
  c.add_option("--data", o.data,
               to_text(joined(names_of(named_data())), ", a CSV file, or a folder of IDX files",
                       compare ? "; or several, as digits,wine,my.csv" : ""))
      ->capture_default_str();
  c.add_option(
      "--target", o.target,
      "column of a CSV that is to be predicted, by name, or number from 0 (default: the last); or "
      "several of numbers, as a,b");
  c.add_option("--drop", o.drop,
               "columns of a CSV to leave out, by name, or number from 0, as id,name")
      ->delimiter(',')
      ->check(kName);
  c.add_option("--column", o.column,
               "how a column of a CSV is read: NAME:number, NAME:category or NAME:drop; may be "
               "repeated")
      ->allow_extra_args(false);
  add_format(c, o);
  c.add_option("--task", o.task, "what a CSV's target is: " + joined(kTasks))
      ->check(one_of(kTasks))
      ->capture_default_str();
  c.add_option("--standardize", o.standardize,
               compare ? "scale features, and the target of a regression, by training statistics: "
                         "auto (tables), on, off"
                       : "scale features, and the target of a regression, by training statistics: "
                         "auto (tables), on, off, or robust: median and quartiles, and large "
                         "numbers clipped")
      ->check(one_of(compare ? std::vector<std::string>{"auto", "on", "off"} : kStandardize))
      ->capture_default_str();
  c.add_option("--hidden", o.hidden, "widths of the hidden layers, as 64,64; 0 for none")
      ->delimiter(',')
      ->transform(kWidth)
      ->capture_default_str();
  c.add_option("--activation", o.activation, joined(names_of(nn::named_activations())))
      ->check(one_of(names_of(nn::named_activations())))
      ->capture_default_str();
  add_number(c, "--dropout", o.dropout, "probability after each hidden layer")
      ->check(kShare)
      ->default_str(exact(o.dropout));
  c.add_flag("--batch-norm", o.batch_norm, "batch normalisation after each hidden layer");
  c.add_option(compare ? "--optimizers,--optimizer" : "--optimizer", o.optimizer,
               compare ? "compare these, as 'adam,sam(adamw),lion', or all that there are as 'all' "
                         "(default: the twelve that are best known)"
                       : "a rule, or one with wrappers, as 'sam(adamw(lr=0.001), rho=0.05)': see "
                         "`descent explain`");
  if (!compare) c.get_option("--optimizer")->capture_default_str();
  add_number(c, "--lr", o.lr,
             compare ? "one learning rate for all, instead of searching it"
                     : "learning rate (default: the rule's)")
      ->check(kAboveZero);
  c.add_option("--set", o.set, "a setting of the rule, as weight_decay=0.05; may be repeated")
      ->allow_extra_args(false);
  c.add_option("--schedule", o.schedule,
               "of the learning rate over the whole run: " + joined(names_of(schedules())))
      ->check(one_of(names_of(schedules())))
      ->capture_default_str();
  c.add_option("--warmup", o.warmup, "steps of linear warm-up before the schedule")
      ->transform(kWhole)
      ->capture_default_str();
  add_number(c, "--sam", o.sam, "sharpness-aware minimisation with this radius")
      ->check(kZeroOrMore);
  add_number(c, "--clip-norm", o.clip_norm, "clip the norm of all gradients")->check(kZeroOrMore);
  add_number(c, "--clip-value", o.clip_value, "clip each element of the gradients")
      ->check(kZeroOrMore);
  add_number(c, "--swa", o.swa, "average the weights from this share of the run on, as 0.75")
      ->check(kShare);
  add_number(c, "--ema", o.ema, "keep a moving average of the weights with this decay")
      ->check(kShare);
  c.add_option("--epochs", o.epochs, "passes over the training data")
      ->transform(kCount)
      ->capture_default_str();
  c.add_option("--batch", o.batch, "samples a step")->transform(kCount)->capture_default_str();
  if (compare) {
    c.add_option("--budget", o.budget,
                 "trials of each optimizer: its defaults, and others from its search space (with "
                 "--time-limit: as many as there is time for)")
        ->transform(kRuns)
        ->capture_default_str();
    c.add_option("--seeds", o.seeds, "runs of what was chosen, each with a seed of its own")
        ->transform(kRuns)
        ->capture_default_str();
    c.add_flag("--keep-model", o.keep_model,
               "train the winner as `descent train` does, and keep its files in the folder winner "
               "of --out");
    c.add_flag("--force", o.force, "with --keep-model: replace an earlier winner");
    c.parse_complete_callback([&c, &o] {
      if (o.time_limit <= 0 || c.get_option("--budget")->count() > 0) return;
      o.search_on = true;
      o.budget = 1000;
    });
  }
  add_number(c, "--time-limit", o.time_limit,
             "stop in time, with what is done by then: 90s, 10m or 2h")
      ->transform([](std::string text) { return exact(seconds_of(text)); }, "");
  c.add_flag("--resume", o.resume,
             compare ? "go on from results.json in --out"
                     : "go on with the run in --out that was interrupted; all other options must "
                       "be as they were");
  c.add_option("--seed", o.seed,
               compare ? "of the test data; the first of the seeds"
                       : "of the split, the initial weights and the order of batches")
      ->transform(kWhole)
      ->capture_default_str();
  c.add_option("--threads", o.threads, "threads to use (default: all cores)")->transform(kWhole);
  add_number(c, "--validation", o.validation,
             compare ? "share of the data kept for the test, and of the rest for validation"
                     : "share of the data kept for validation")
      ->check(kPart)
      ->default_str(exact(o.validation));
  if (!compare) add_train_options(c, o);
  c.add_option(
      "--out", o.out,
      compare ? "folder for report.html, results.csv and results.json (default: the present one)"
              : "folder for model.safetensors, settings.json, metrics.csv, and checkpoints until "
                "the run ends");
  if (!compare) c.footer(joined(std::vector{help_of("Presets", presets()), c.get_footer()}, "\n"));
  c.footer(joined(std::vector{help_of("Data sets", named_data()),
                              help_of("Activations", nn::named_activations()),
                              help_of("Schedules", schedules()), c.get_footer()},
                  "\n"));
}

Options default_options(bool compare) {
  Options o;
  if (compare) {
    o.optimizer.clear();
  } else {
    o.epochs = 200;
    o.patience = 20;
  }
  return o;
}

std::vector<Listed> listing(const Options& o, bool compare) {
  std::vector<Listed> all{
      {"data", o.data, true},
      {"target", o.target, true},
      {"drop", joined(o.drop, ","), true, o.drop},
      {"task", o.task, true},
      {"standardize", o.standardize, true},
      {"hidden", joined(o.hidden, ","), true},
      {"activation", o.activation, true},
      {"dropout", exact(o.dropout)},
      {"batch_norm", to_text(o.batch_norm)},
      {compare ? "optimizers" : "optimizer", o.optimizer, true},
      {"lr",
       o.lr > 0  ? exact(o.lr)
       : compare ? "searched"
                 : "the rule's default",
       !(o.lr > 0)},
      {"set", joined(o.set, " "), true, o.set},
      {"schedule", o.schedule, true},
      {"warmup", to_text(o.warmup)},
      {"sam", exact(o.sam)},
      {"clip_norm", exact(o.clip_norm)},
      {"clip_value", exact(o.clip_value)},
      {"swa", exact(o.swa)},
      {"ema", exact(o.ema)},
      {"epochs", to_text(o.epochs)},
      {"batch", to_text(o.batch)},
      {"seed", std::to_string(o.seed)},
      {"validation", exact(o.validation)},
      {"column", joined(o.column, ","), true, o.column},
      {"separator", o.separator, true},
      {"header", o.header, true},
      {"decimal", o.decimal, true},
  };
  if (!compare)
    for (Listed& reading : std::vector<Listed>{
             {"patience", o.own_patience ? to_text(o.patience) : "auto", !o.own_patience},
             {"weight", o.weight, true},
             {"class_weights", o.class_weights, true},
             {"label_smoothing", exact(o.label_smoothing)},
             {"ensemble", to_text(o.ensemble)},
             {"cv", o.cv > 0 ? to_text(o.cv) : "", o.cv == 0},
             {"test", o.test, true}})
      all.push_back(std::move(reading));
  all.push_back({"time_limit", o.time_limit > 0 ? exact(o.time_limit) + "s" : "", true});
  if (compare) {
    all.push_back({"budget", to_text(o.search_on ? Options().budget : o.budget)});
    all.push_back({"seeds", to_text(o.seeds)});
  }
  return all;
}

namespace {
std::string quoted_for_shell(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-.,/=:") == std::string::npos;
  if (plain) return text;
  std::string quoted;
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return to_text("'", quoted, "'");
}
}  // namespace

std::string json_of(const Options& o) {
  std::string json;
  for (const auto& [name, text, is_text, parts] : listing(o, false))
    json += to_text(json.empty() ? "" : ",\n  ", json_text(name), ": ",
                    parts     ? json_text(*parts)
                    : is_text ? json_text(text)
                              : text);
  return json;
}

std::string repeating_command(const Options& o, bool compare) {
  const Options usual = default_options(compare);
  const auto own = listing(o, compare), defaults = listing(usual, compare);
  std::string command = compare ? "descent compare" : "descent train";
  for (std::size_t i = 0; i < own.size(); ++i) {
    const auto& [name, value, is_text, parts] = own[i];
    if (value == defaults[i].text && name != "data") continue;
    std::string flag = "--" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (name == "batch_norm")
      command += " " + flag;
    else
      for (const std::string& text : parts.value_or(std::vector{value}))
        command += to_text(" ", flag, " ", quoted_for_shell(text));
  }
  return command;
}

}  // namespace app
