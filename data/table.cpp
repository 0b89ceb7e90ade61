#include <descent/autograd/ops/arithmetic.h>
#include <descent/autograd/ops/shape.h>
#include <descent/core/error.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>
#include <descent/core/parallel.h>
#include <descent/core/text.h>
#include <descent/data/reading/format.h>
#include <descent/data/reading/scan.h>

#include <sys/mman.h>
#include <algorithm>
#include <atomic>
#include <filesystem>

namespace descent::data {

detail::TextOf::TextOf(const std::string& path) {
  std::error_code error;
  if (path == "-" || !std::filesystem::is_regular_file(path, error)) {
    packed_ = gunzip(read_input(path), path);
    return;
  }
  const descent::detail::InputFile file("read_table", path);
  const auto n = static_cast<std::size_t>(file.size());
  char magic[2] = {};
  if (n == 0 || (file.read(0, magic, 2) == 2 && magic[0] == '\x1f' && magic[1] == '\x8b')) {
    packed_ = gunzip(read_file(path), path);  // a file of /proc has no size
    return;
  }
  constexpr std::size_t kHugePage = std::size_t{1} << 21;
  const std::size_t room = (n + kHugePage - 1) / kHugePage * kHugePage;
  plain_.reset(
      static_cast<char*>(n < kHugePage ? std::malloc(n) : std::aligned_alloc(kHugePage, room)));
  if (!plain_)
    fail<MemoryError>("read_table", "got '", path, "' of ", n,
                      " bytes, expected a file that fits into the memory");
#ifdef MADV_HUGEPAGE
  if (n >= kHugePage) ::madvise(plain_.get(), room, MADV_HUGEPAGE);  // far fewer page faults
#endif
  std::atomic<bool> shorter = false;
  parallel_for(
      static_cast<std::int64_t>(n), std::int64_t{1} << 22,
      [&](std::int64_t begin, std::int64_t end) {
        const auto size = static_cast<std::size_t>(end - begin);
        if (file.read(static_cast<std::uint64_t>(begin), plain_.get() + begin, size) < size)
          shorter = true;
      });
  if (shorter) fail<FileError>("read_table", "got '", path, "', which became shorter meanwhile");
  size_ = n;
}

std::size_t Table::find(const std::string& wanted, const char* what) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == wanted) return i;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (std::to_string(columns[i].place) == wanted) return i;
  std::vector<std::string> names;
  for (const Column& c : columns) names.push_back(c.name);
  const std::string near = nearest_match(wanted, names);
  fail<ValueError>("table", name, ": got ", what, " '", brief(wanted),
                   "', expected a name of the header or a number of a column",
                   near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
}

Tensor Table::take(const std::string& wanted, const char* what) {
  const std::size_t c = find(wanted, what);
  const Column column = columns[c];
  if (column.use != ColumnUse::number)
    fail<FileError>("table", name, ": got words in ", what, " '", brief(column.name),
                    "', expected numbers");
  const auto place = static_cast<std::int64_t>(c), width = values.size(1);
  const Tensor taken = values.select(1, place).to(kFloat64) + column.shift;
  values = cat({values.narrow(1, 0, place), values.narrow(1, place + 1, width - place - 1)}, 1);
  columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(c));
  return taken;
}

std::string Table::summary() const {
  std::size_t longest = 6;
  for (const Column& c : columns) longest = std::max(longest, descent::columns(brief(c.name, 30)));
  for (const std::string& d : dropped) longest = std::max(longest, descent::columns(brief(d, 30)));
  std::string text;
  for (const Column& c : columns) {
    std::string what = "numbers";
    if (c.use == ColumnUse::category) {
      what = to_text(c.words.size(), " words");
      if (!c.words.empty() && c.words.size() <= 4) {
        what = "";
        for (const std::string& w : c.words)
          what += to_text(what.empty() ? "" : ", ", brief(w, 20));
      }
    }
    text += padded(brief(c.name, 30), longest + 2) + what;
    if (c.gaps > 0) text += to_text(", ", c.gaps, c.gaps == 1 ? " gap" : " gaps");
    if (!c.note.empty()) text += to_text(" (", c.note, ")");
    text += "\n";
  }
  for (const std::string& d : dropped) text += padded(brief(d, 30), longest + 2) + "dropped\n";
  return text;
}

Table read_table(const std::string& path, const TableOptions& options) {
  return parse_table(detail::TextOf(path).view(), options, path);
}
Table parse_table(std::string_view text, const TableOptions& options, const std::string& name) {
  const auto choose = [&](const detail::Names& names, std::vector<detail::Plan>& plans) {
    for (const auto& [wanted, use] : options.columns)
      plans[names.find(wanted, "the column")].use = use;
  };
  return detail::scan(text, options, name, choose).table;
}

}  // namespace descent::data
