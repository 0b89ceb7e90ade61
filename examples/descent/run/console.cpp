#include "run/console.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>

namespace app {

Progress::Progress(std::size_t total)
    : total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);  // clears the line for the results
}

void Progress::update(std::size_t done, const std::string& note) {
  const auto now = std::chrono::steady_clock::now();
  const double passed = std::chrono::duration<double>(now - start_).count();
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1;
  const std::string left =
      done > 0 && done < total_ ? duration(passed / share - passed) + " left" : duration(passed);
  if (!terminal_) {  // a line for each tenth of the work, and one for the first piece
    const auto tenth = static_cast<std::size_t>(share * 10);
    if (tenth == printed_ && done != 1) return;
    printed_ = tenth;
    std::fprintf(stderr, "%zu/%zu  %s  %s\n", done, total_, note.c_str(), left.c_str());
    return;
  }
  if (done < total_ && std::chrono::duration<double>(now - last_).count() < 0.05) return;
  last_ = now;
  winsize size{};
  const std::size_t width =
      ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
  const std::size_t bar = width < 100 ? 12 : 24;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(bar));
  std::string line;
  for (std::size_t i = 0; i < bar; ++i) line += i < full ? "█" : "░";
  line += "  " + std::to_string(done) + "/" + std::to_string(total_) + "  " + note + "  " + left;
  while (descent::columns(line) > width - 1) line.pop_back();
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t texts) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], descent::columns(row[c]));
    }
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string pad(widths[c] - descent::columns(rows[r][c]), ' ');
      const bool text = c == 0 || c >= texts;
      line += (c > 0 ? "  " : "") + (text ? rows[r][c] + pad : pad + rows[r][c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    if (r > 0) continue;
    std::size_t total = 0;
    for (const std::size_t w : widths) total += w + 2;
    for (std::size_t i = 2; i < total; ++i) out += "─";
    out += "\n";
  }
  return out;
}

}  // namespace app
