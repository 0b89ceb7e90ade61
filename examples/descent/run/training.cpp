#include "run/training.h"

#include <chrono>
#include <filesystem>

namespace app {

using namespace descent;

namespace {

bool is_table(const Options& o) {
  return o.data == "iris" || o.data == "wine" || std::filesystem::is_regular_file(o.data);
}

data::CsvOptions csv_options(const Options& o) {
  data::CsvOptions options;
  options.drop = o.drop;
  if (o.task != "auto")
    options.task = o.task == "regression" ? data::Task::regression : data::Task::classification;
  if (o.target.empty()) return options;
  char* end = nullptr;
  const long number = std::strtol(o.target.c_str(), &end, 10);
  if (*end == '\0')
    options.target = std::int64_t{number};
  else
    options.target = o.target;
  return options;
}

double number_of(const std::string& text, const std::string& setting) {
  if (text == "true") return 1;
  if (text == "false") return 0;
  char* end = nullptr;
  const double x = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0')
    fail<UsageError>("--set", "got '", setting,
                     "', expected name=number. Hint: for example --set weight_decay=0.05");
  return x;
}

/// True when the rule in a description has a rate of its own there.
bool has_rate(const optim::Expression& e) {
  for (const auto& [key, value] : e.arguments)
    if (key == "lr" || (key.empty() && has_rate(value))) return true;
  return false;
}

optim::Hyper rate(const Options& o, double lr, std::int64_t steps) {
  const std::int64_t left = std::max<std::int64_t>(1, steps - o.warmup);
  optim::Hyper h = lr;
  if (o.schedule == "step") h = optim::step_decay(lr, std::max<std::int64_t>(1, left / 3), 0.1);
  if (o.schedule == "exponential")
    h = optim::exponential(lr, std::pow(0.01, 1.0 / static_cast<double>(left)));
  if (o.schedule == "linear") h = optim::ramp(lr, 0, left);
  if (o.schedule == "cosine") h = optim::cosine(lr, left);
  if (o.schedule == "one_cycle") h = optim::one_cycle(lr, left);
  return o.warmup > 0 ? optim::Hyper(optim::warmup(o.warmup, h)) : h;
}

}  // namespace

namespace {

data::Dataset read_data(const Options& o) {
  namespace fs = std::filesystem;
  if ((!o.target.empty() || !o.drop.empty() || o.task != "auto") && !fs::is_regular_file(o.data))
    fail<UsageError>("--data", "got '", o.data,
                     "' with --target, --drop or --task, expected a CSV file for these");
  if (o.data == "digits") return data::digits();
  if (o.data == "iris") return data::iris();
  if (o.data == "wine") return data::wine();
  if (o.data == "moons") return data::moons(1000, 0.2);
  if (o.data == "spirals") return data::spirals(1000, 2, 0.02);
  if (o.data == "blobs") return data::blobs(1000, 5, 2, 1.5);
  if (o.data == "xor") return data::xor_points(1000, 0.05);
  if (o.data == "linear") return data::linear_regression(500, 5);
  if (o.data == "sine") return data::sine_regression(500);
  if (fs::is_directory(o.data)) return data::idx_folder(o.data);
  if (fs::exists(o.data)) return data::csv(o.data, csv_options(o));
  const std::vector<std::string> names{"digits", "iris", "wine",   "moons", "spirals",
                                       "blobs",  "xor",  "linear", "sine"};
  const std::string near = nearest_match(o.data, names);
  fail<FileError>("--data", "got '", o.data,
                  "', which is no file or folder, expected one, or digits, iris, wine, moons, "
                  "spirals, blobs, xor, linear, sine",
                  near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
}

}  // namespace

data::Dataset load_data(const Options& o) {
  data::Dataset d = read_data(o);
  if (d.is_classification() ? d.num_classes() < 2 : max(d.y).item() == min(d.y).item())
    fail<FileError>("--data", "got '", o.data, "', whose target is the same in all ", d.size(),
                    " samples, expected one that differs. Hint: --target names another column");
  return d;
}

nn::Sequential make_model(const Options& o, const data::Dataset& d) {
  nn::Sequential model;
  std::int64_t width = d.num_features();
  const std::string& a = o.activation;
  for (const int h : o.hidden) {
    if (h == 0 && o.hidden.size() == 1) break;
    if (h < 1)
      fail<UsageError>(
          "--hidden", "got a layer of ", h,
          ", expected 1 or more units. Hint: --hidden 64,64, or --hidden 0 for a linear model");
    model.push_back(nn::Linear(width, h));
    if (o.batch_norm) model.push_back(nn::BatchNorm1d(h));
    if (a == "relu")
      model.push_back(nn::ReLU());
    else if (a == "tanh")
      model.push_back(nn::Tanh());
    else if (a == "sigmoid")
      model.push_back(nn::Sigmoid());
    else if (a == "gelu")
      model.push_back(nn::GELU());
    else if (a == "silu")
      model.push_back(nn::SiLU());
    else if (a == "leaky_relu")
      model.push_back(nn::LeakyReLU());
    else if (a == "elu")
      model.push_back(nn::ELU());
    else if (a == "softplus")
      model.push_back(nn::Softplus());
    else {
      const std::vector<std::string> names{"relu", "tanh",       "sigmoid", "gelu",
                                           "silu", "leaky_relu", "elu",     "softplus"};
      const std::string near = nearest_match(a, names);
      fail<UsageError>("--activation", "got '", a,
                       "', expected relu, tanh, sigmoid, gelu, silu, leaky_relu, elu or softplus",
                       near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
    }
    if (o.dropout > 0) model.push_back(nn::Dropout(o.dropout));
    width = h;
  }
  model.push_back(nn::Linear(width, d.is_classification() ? d.num_classes() : 1));
  return model;
}

double default_rate(const std::string& description) {
  for (const auto& f : optim::find_optimizer(optim::rule_of(description)).fields)
    if (f.name == "lr") return std::stod(f.text);
  return 0;
}

optim::Optimizer make_optimizer(const Options& o, const Parameters& parameters,
                                std::int64_t steps) {
  const std::string& text = o.optimizer;
  if (const optim::Entry& first = optim::find_optimizer(optim::Expression::parse(text).text);
      first.is_wrapper && optim::find_optimizer(optim::rule_of(text)).is_wrapper)
    fail<UsageError>("--optimizer", "got '", text,
                     "', which goes around a rule, expected a rule inside. Hint: ", first.name,
                     "(adamw)");
  const bool rated = has_rate(optim::Expression::parse(text));
  if (rated && (o.lr > 0 || o.schedule != "constant" || o.warmup > 0))
    fail<UsageError>("--optimizer", "got '", text,
                     "' with a rate of its own, and --lr, --schedule or --warmup, expected one of "
                     "them. Hint: a schedule fits into the text, as lr=cosine(0.001, 500)");
  optim::Entry::Settings settings;
  if (!rated) settings.emplace("lr", rate(o, o.lr > 0 ? o.lr : default_rate(text), steps));
  for (const std::string& s : o.set) {
    const std::size_t equals = s.find('=');
    if (equals == std::string::npos || equals == 0)
      fail<UsageError>("--set", "got '", s,
                       "', expected name=number. Hint: for example --set weight_decay=0.05");
    if (s.substr(0, equals) == "lr")
      fail<UsageError>(
          "--set", "got '", s,
          "', expected the rate as --lr. Hint: --lr goes with --schedule and --warmup");
    settings.insert_or_assign(s.substr(0, equals), number_of(s.substr(equals + 1), s));
  }
  optim::Optimizer optimizer = optim::make(text, parameters, settings);
  if (o.clip_value > 0) optimizer = optim::clip_value(std::move(optimizer), o.clip_value);
  if (o.clip_norm > 0) optimizer = optim::clip_norm(std::move(optimizer), o.clip_norm);
  if (o.sam > 0) optimizer = optim::sam(std::move(optimizer), {.rho = o.sam});
  if (o.ema > 0) optimizer = optim::ema(std::move(optimizer), o.ema);
  if (o.swa > 0)
    optimizer =
        optim::swa(std::move(optimizer),
                   {.start = static_cast<std::int64_t>(o.swa * static_cast<double>(steps))});
  return optimizer;
}

Score evaluate(nn::Module& model, const data::Dataset& d) {
  const NoGradGuard guard;
  const bool training = model.is_training();
  model.eval();
  const Tensor y = model(d.x);
  model.train(training);
  if (d.is_classification()) return {nn::cross_entropy(y, d.y).item(), nn::accuracy(y, d.y)};
  const double error = nn::mse_loss(y, d.y).item(), spread = var(d.y.to(kFloat64), {}, 0).item();
  return {error, spread > 0 ? 1 - error / spread : error > 0 ? 0.0 : 1.0};
}

Scaling prepare(const Options& o, data::Dataset& train, std::vector<data::Dataset*> others) {
  Scaling scaling;
  if (o.standardize == "off") return scaling;
  others.push_back(&train);
  if (o.standardize == "on" || is_table(o)) {
    scaling.features = data::Standardizer::fit(train.x);
    for (data::Dataset* d : others) scaling.features->apply(*d);
  }
  if (!train.is_classification()) {  // rates are chosen for targets of about unit size
    scaling.target = data::Standardizer::fit(train.y);
    for (data::Dataset* d : others) d->y = scaling.target->apply(d->y);
  }
  return scaling;
}

namespace {

/// Scores of the weights that would be used if training ended here: the average, once there is one.
std::pair<Score, Score> scores_now(nn::Sequential& model, optim::Optimizer& optimizer,
                                   const Options& o, const data::Dataset& train_set,
                                   const data::Dataset& validation) {
  const auto both = [&] {
    return std::pair(evaluate(model, train_set), evaluate(model, validation));
  };
  if (!optimizer.has_average()) return both();
  const auto statistics = o.batch_norm ? model.state_dict() : optim::State();
  std::pair<Score, Score> scores;
  {
    const optim::AverageGuard averaged(optimizer);
    if (o.batch_norm)
      nn::update_batch_norm(model, data::DataLoader(train_set, {.batch_size = o.batch}));
    scores = both();
  }
  if (o.batch_norm) model.load_state_dict(statistics);
  return scores;
}

}  // namespace

Run train(const Options& o, nn::Sequential& model, const data::Dataset& train_set,
          const data::Dataset& validation, const std::function<void(const Epoch&)>& watch) {
  using Clock = std::chrono::steady_clock;
  data::DataLoader loader(train_set, {.batch_size = o.batch,
                                      .seed = o.seed,
                                      .drop_last = o.batch_norm && train_set.size() > o.batch});
  optim::Optimizer optimizer = make_optimizer(o, model.parameters(), o.epochs * loader.size());
  if (!o.trace.empty()) optimizer.set_tracer(optim::csv_tracer(o.trace));
  std::optional<optim::ReduceOnPlateau> plateau;
  if (o.schedule == "plateau")
    plateau.emplace(optimizer, optim::PlateauOptions{.factor = 0.3, .patience = 2});

  Run run;
  try {
    for (std::int64_t epoch = 1; epoch <= o.epochs; ++epoch) {
      const auto start = Clock::now();
      const double lr = optimizer.get("lr");
      for (auto [x, y] : loader)
        optimizer.step([&, x = x, y = y] {
          const Tensor out = model(x);
          const Tensor loss =
              train_set.is_classification() ? nn::cross_entropy(out, y) : nn::mse_loss(out, y);
          loss.backward();
          return loss;
        });
      run.seconds += std::chrono::duration<double>(Clock::now() - start).count();
      const auto [trained, validated] = scores_now(model, optimizer, o, train_set, validation);
      run.epochs.push_back({epoch, trained, validated, lr, run.seconds});
      if (!std::isfinite(run.epochs.back().train.loss))
        fail<NonFiniteError>("train", "got a loss that is no number after epoch ", epoch,
                             ", expected one. Hint: lower --lr or add --clip-norm 1");
      if (plateau) plateau->step(run.epochs.back().validation.loss);
      if (watch) watch(run.epochs.back());
    }
    if (o.swa > 0 || o.ema > 0 || optimizer.has_average()) {
      run.averaged = true;
      optimizer.swap_average();  // the averaged weights are the result, and stay
      if (o.batch_norm) nn::update_batch_norm(model, loader);
    }
    run.validation = evaluate(model, validation);
  } catch (const NonFiniteError& e) {
    run.diverged = true;
    run.failure = e.what();
    if (const std::size_t hint = run.failure.find(" Hint:"); hint != std::string::npos)
      run.failure.resize(hint);
    run.failure += " Hint: lower --lr, or add --clip-norm 1";
  }
  run.gradient_evaluations = optimizer.gradient_evaluations();
  return run;
}

}  // namespace app
