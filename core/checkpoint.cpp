#include <descent/core/archive.h>
#include <descent/core/checkpoint.h>
#include <descent/core/create.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/log.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

namespace descent {
namespace {

constexpr std::string_view kPrefix = "checkpoint-", kSuffix = ".safetensors",
                           kSetting = "settings/";
constexpr std::string_view kOwn = "checkpoint";  // what the checkpoint itself keeps
constexpr const char *kVersion = "descent_checkpoint", *kChecksum = "descent_checksum";
constexpr const char *kBest = "checkpoint/best", *kBestMetric = "checkpoint/best_metric";
constexpr const char* kThisVersion = "1";

/// The state of a part that is one tensor.
std::map<std::string, Tensor> as_state(const Tensor& t) {
  if (!t.defined()) return {};
  return {{"value", kernel::clone(t)}};
}
/// The tensor in such a state. Throws StateError unless it has this shape and type.
Tensor from_state(const std::map<std::string, Tensor>& state, const Shape& shape, DType dtype) {
  const auto at = state.find("value");
  if (at == state.end() || !(at->second.shape() == shape) || at->second.dtype() != dtype)
    fail<StateError>("load_state_dict", "expected ", dtype, shape, " under the name 'value'");
  return at->second;
}

/// The settings that differ, as lines of a message.
std::string differences(const std::map<std::string, std::string>& saved,
                        const std::map<std::string, std::string>& given) {
  std::string lines;
  const auto value = [](const auto& settings, const std::string& name) {
    const auto at = settings.find(name);
    return at == settings.end() ? std::string("nothing") : to_text("'", at->second, "'");
  };
  auto names = saved;
  names.insert(given.begin(), given.end());
  for (const auto& [name, _] : names)
    if (value(saved, name) != value(given, name))
      lines +=
          to_text("\n  ", name, ": got ", value(given, name), ", expected ", value(saved, name));
  return lines;
}

Tensor to_tensor(const Generator& g) {
  const auto [seed, stream, counter] = g.state();
  return tensor({static_cast<std::int64_t>(seed), static_cast<std::int64_t>(stream),
                 static_cast<std::int64_t>(counter)});
}
void set_generator(Generator& g, const std::map<std::string, Tensor>& state) {
  const auto v = from_state(state, {3}, kInt64).to_vector<std::int64_t>();
  g.set_state({static_cast<std::uint64_t>(v[0]), static_cast<std::uint64_t>(v[1]),
               static_cast<std::uint64_t>(v[2])});
}

}  // namespace

Checkpoint::Checkpoint(std::string folder, CheckpointOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  if (options_.keep < 1)
    fail<ValueError>("Checkpoint", "got keep = ", options_.keep, ", expected 1 or more");
  make_folder(folder_);
  // Asked for at each use: another thread may save.
  add_part({"default_generator", [] { return as_state(to_tensor(default_generator())); },
            [](const State& s) { set_generator(default_generator(), s); }});
}

void Checkpoint::add_part(Part part) {
  const auto taken = [&](const Part& p) { return p.name == part.name; };
  if (part.name.empty() || part.name.find('/') != std::string::npos || part.name == kOwn ||
      std::ranges::any_of(parts_, taken))
    fail<ValueError>("Checkpoint", "got the name '", part.name,
                     "' for a part, expected one that is new and has no slash");
  parts_.push_back(std::move(part));
}
void Checkpoint::add(std::string name, Generator& part) {
  add_part({std::move(name), [&part] { return as_state(to_tensor(part)); },
            [&part](const State& s) { set_generator(part, s); }});
}
void Checkpoint::add(std::string name, Tensor& part) {
  add_part({std::move(name), [&part] { return as_state(part); },
            [&part](const State& s) { part = s.contains("value") ? s.at("value") : Tensor(); }});
}
void Checkpoint::add(std::string name, std::int64_t& part) {
  add_part({std::move(name), [&part] { return as_state(full({}, part, kInt64)); },
            [&part](const State& s) { part = from_state(s, {}, kInt64).item<std::int64_t>(); }});
}
void Checkpoint::add(std::string name, double& part) {
  add_part({std::move(name), [&part] { return as_state(full({}, part, kFloat64)); },
            [&part](const State& s) { part = from_state(s, {}, kFloat64).item(); }});
}

std::string Checkpoint::path_of(std::int64_t number) const {
  std::string digits = to_text(number);
  digits.insert(0, std::max<std::size_t>(digits.size(), 6) - digits.size(), '0');
  return to_text(folder_, "/", kPrefix, digits, kSuffix);
}

std::vector<std::int64_t> Checkpoint::numbers() const {
  std::vector<std::int64_t> all;
  const auto names = detail::names_in(folder_);
  if (!names)
    fail<FileError>("Checkpoint", "could not read the folder '", folder_,
                    "': ", std::strerror(errno));
  for (const std::string& name : *names) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const char *const first = name.data() + kPrefix.size(), *const last = name.data() +
                                                                          name.size() -
                                                                          kSuffix.size();
    std::int64_t n = 0;
    constexpr auto kMost = std::int64_t{1} << 53;  // so that there is always a next number
    if (std::from_chars(first, last, n).ptr == last && n > 0 && n < kMost &&
        path_of(n).ends_with("/" + name))
      all.push_back(n);
  }
  std::ranges::sort(all);
  return all;
}

void Checkpoint::save(double metric) {
  std::vector<std::int64_t> present = numbers();
  if (!continues_ && !present.empty())
    fail<FileError>("Checkpoint", "got '", folder_, "', which has ", present.size(),
                    " checkpoints of an earlier run, expected an empty folder. Hint: load() goes "
                    "on with that run, clear() removes its files");
  const std::int64_t number = present.empty() ? 1 : present.back() + 1;
  const bool better =
      !std::isnan(metric) && (std::isnan(best_metric_) ||
                              (options_.maximize ? metric > best_metric_ : metric < best_metric_));
  const std::int64_t best = better ? number : best_;
  const double best_metric = better ? metric : best_metric_;

  Archive file;
  for (const Part& part : parts_)
    for (const auto& [name, t] : part.save()) file.tensors[to_text(part.name, "/", name)] = t;
  file.tensors[kBest] = full({}, best, kInt64);
  file.tensors[kBestMetric] = full({}, best_metric, kFloat64);
  for (const auto& [name, text] : options_.settings) file.metadata[to_text(kSetting, name)] = text;
  file.metadata[kVersion] = kThisVersion;
  file.metadata[kChecksum] = checksum(file);
  save_tensors(path_of(number), file.tensors, file.metadata);

  continues_ = true;
  best_ = best;
  best_metric_ = best_metric;
  std::erase_if(present, [&](std::int64_t n) { return std::ranges::count(damaged_, n) > 0; });
  const auto old = static_cast<std::int64_t>(present.size()) + 1 - options_.keep;
  for (std::int64_t i = 0; i < old; ++i)
    if (const std::int64_t n = present[static_cast<std::size_t>(i)]; n != best_) remove(n);
}

Checkpoint::File Checkpoint::read(std::int64_t number) const {
  File file{path_of(number), {}};
  file.contents = load_tensors(file.path);
  auto& [tensors, text] = file.contents;
  if (!text.contains(kVersion) || !tensors.contains(kBest) || !tensors.contains(kBestMetric))
    fail<FileError>("Checkpoint", "got '", file.path, "', expected a checkpoint");
  // A file of another version may have another kind of checksum. apply() refuses such a file.
  if (text[kVersion] == kThisVersion && text[kChecksum] != checksum(file.contents))
    fail<FileError>("Checkpoint", "got '", file.path,
                    "', whose checksum does not fit its contents");
  return file;
}

std::optional<Checkpoint::File> Checkpoint::newest() {
  const std::vector<std::int64_t> all = numbers();
  damaged_.clear();
  for (auto number = all.rbegin(); number != all.rend(); ++number) try {
      return read(*number);
    } catch (const FileError& e) {
      damaged_.push_back(*number);
      logging::warning(
          to_text("a checkpoint is damaged, so the one before it is taken: ", e.what()));
    }
  if (!all.empty())
    fail<FileError>("Checkpoint", "got '", folder_, "' with ", all.size(),
                    " checkpoints, all of them damaged. Hint: clear() removes the files");
  return std::nullopt;
}

bool Checkpoint::load() {
  const std::optional<File> file = newest();
  if (file) apply(*file);
  return file.has_value();
}

bool Checkpoint::load_best() {
  const std::optional<File> file = newest();
  const std::int64_t best =
      file ? file->contents.tensors.at(kBest).item<std::int64_t>() : std::int64_t{0};
  if (best > 0) apply(read(best));
  return best > 0;
}

void Checkpoint::apply(const File& file) {
  const auto& [tensors, text] = file.contents;
  if (text.at(kVersion) != kThisVersion)
    fail<FileError>("Checkpoint", "got '", file.path, "' in version ", text.at(kVersion),
                    " of the format, expected version ", kThisVersion,
                    ". Hint: a newer version of Descent wrote it");
  std::map<std::string, std::string> settings;
  for (const auto& [name, value] : text)
    if (name.starts_with(kSetting)) settings[name.substr(kSetting.size())] = value;
  if (settings != options_.settings)
    fail<StateError>("Checkpoint", "got other settings than those of '", file.path,
                     "':", differences(settings, options_.settings));

  std::map<std::string, State> states;
  for (const auto& [name, t] : tensors) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    states[name.substr(0, slash)][name.substr(std::min(slash + 1, name.size()))] = t;
  }
  states.erase(std::string(kOwn));
  for (const auto& state : states)
    if (std::ranges::none_of(parts_, [&](const Part& p) { return p.name == state.first; }))
      fail<StateError>("Checkpoint", "got '", file.path, "' with a part '", state.first,
                       "', which was not added");

  const auto best = tensors.at(kBest).item<std::int64_t>();
  const double best_metric = tensors.at(kBestMetric).item();
  std::vector<State> before;
  for (const Part& part : parts_) before.push_back(part.save());
  std::size_t i = 0;
  const auto undo = [&] {  // a part that refuses a state has not changed
    while (i > 0) {
      --i;
      parts_[i].load(before[i]);
    }
  };
  try {
    for (; i < parts_.size(); ++i) parts_[i].load(states[parts_[i].name]);
  } catch (const StateError& e) {
    const std::string name = parts_[i].name;
    undo();
    fail<StateError>("Checkpoint", "got the part '", name, "' of '", file.path,
                     "', which does not fit: ", e.what());
  } catch (...) {
    undo();
    throw;
  }
  best_ = best;
  best_metric_ = best_metric;
  continues_ = true;
}

void Checkpoint::remove(std::int64_t number) const {
  if (::unlink(path_of(number).c_str()) != 0 && errno != ENOENT)
    logging::warning(to_text("could not remove '", path_of(number), "': ", std::strerror(errno)));
}

void Checkpoint::clear() {
  for (const std::int64_t number : numbers()) remove(number);
  best_ = 0;
  best_metric_ = std::numeric_limits<double>::quiet_NaN();
}

}  // namespace descent
