#include <descent/core/error.h>
#include <descent/core/files.h>
#include <descent/data/reading/blocks.h>
#include <descent/data/reading/format.h>

#include <zlib.h>
#include <algorithm>
#include <cstring>
#include <utility>

namespace descent::data::detail {
namespace {

using descent::detail::InputFile;
using descent::detail::InputPipe;
using Read = std::function<std::size_t(char*, std::size_t)>;

// A row that is longer is more likely a file without line breaks, or a quote without an end.
constexpr std::size_t kLongestRow = std::size_t{1} << 30;

bool is_gzip(std::string_view text) { return text.starts_with("\x1f\x8b"); }

/// Gives a text that is in memory.
Read reader_of(std::string text) {
  return [text = std::move(text), at = std::size_t{0}](char* to, std::size_t n) mutable {
    n = std::min(n, text.size() - at);
    std::memcpy(to, text.data() + at, n);
    at += n;
    return n;
  };
}

/// Unpacks a file while it is read.
Read unpacker_of(const std::string& path) {
  const std::shared_ptr<gzFile_s> file(gzopen(path.c_str(), "rb"), [](gzFile f) {
    if (f != nullptr) gzclose_r(f);
  });
  if (file == nullptr) fail<FileError>("read_table", "could not open '", path, "'");
  return [file, path](char* to, std::size_t n) {
    const int got =
        gzread(file.get(), to, static_cast<unsigned>(std::min(n, std::size_t{1} << 30)));
    int error = Z_OK;
    gzerror(file.get(), &error);
    if (got < 0 || error != Z_OK)
      fail<FileError>("read_table", path,
                      ": got damaged or truncated gzip data, expected a whole file. Hint: get it "
                      "again");
    return static_cast<std::size_t>(got);
  };
}

}  // namespace

Blocks::Blocks(const std::string& path, std::size_t size) : path_(path), size_(size) {
  if (!descent::detail::is_pipe(path)) {
    const auto file = std::make_shared<InputFile>("read_table", path);
    char magic[2] = {};
    file->read(0, magic, 2);
    if (is_gzip({magic, 2}))
      read_ = unpacker_of(path);
    else
      read_ = [file, at = std::uint64_t{0}](char* to, std::size_t n) mutable {
        const std::size_t got = file->read(at, to, n);
        at += got;
        return got;
      };
    return;
  }
  const auto pipe = std::make_shared<InputPipe>("read_table", path);
  std::string magic(2, '\0');
  std::size_t had = pipe->read(magic.data(), 2);
  if (had == 1) had += pipe->read(magic.data() + 1, 1);
  magic.resize(had);
  if (is_gzip(magic)) {
    char more[65536];
    while (const std::size_t n = pipe->read(more, sizeof more)) magic.append(more, n);
    read_ = reader_of(gunzip(std::move(magic), path));
  } else {
    read_ = [pipe, first = reader_of(std::move(magic))](char* to, std::size_t n) {
      const std::size_t got = first(to, n);
      return got > 0 ? got : pipe->read(to, n);
    };
  }
}

void Blocks::repeat(std::string_view names, const Format& format) {
  const std::string copy(names);  // they may stand in the buffer
  format_ = format;
  const auto lines_of = [&](std::string_view s) {
    return std::count(s.begin(), s.end(), format.newline);
  };
  place_.lines += lines_of(text()) - lines_of(copy);
  buffer_ = copy + buffer_.substr(end_);
  end_ = begin_ = copy.size();
}

bool Blocks::next() {
  while (true) {
    if (begun_) {
      const char newline = format_ ? format_->newline : '\n';
      place_.first = false;
      place_.lines += std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                                 buffer_.begin() + static_cast<std::ptrdiff_t>(end_), newline);
      buffer_.erase(begin_, end_ - begin_);
      end_ = begin_;
      if (ended_ && buffer_.size() == begin_) return false;
    }
    for (std::size_t wanted = size_; !ended_; wanted *= 2) {
      std::size_t size = buffer_.size();
      buffer_.resize(begin_ + wanted);
      while (size < buffer_.size() && !ended_) {
        const std::size_t got = read_(buffer_.data() + size, buffer_.size() - size);
        size += got;
        ended_ = got == 0;
      }
      buffer_.resize(size);
      end_ = ended_ ? size : end_of_rows();
      if (end_ > begin_) break;
      if (wanted > kLongestRow)
        fail<FileError>("table", path_, ": got a row of more than ", kLongestRow / 1000000,
                        " MB, expected shorter ones. Hint: has a quote no end?");
    }
    if (ended_) end_ = buffer_.size();
    if (!std::exchange(begun_, true)) return true;
    // Rows that are blank make no block.
    if (text().find_first_not_of(" \t\r\n", begin_) != std::string_view::npos) return true;
  }
}

/// The end of the last row that is whole.
std::size_t Blocks::end_of_rows() const {
  const std::string_view rows = std::string_view(buffer_).substr(begin_);
  Format format = format_.value_or(Format());
  if (!format_ && rows.find('\n') == rows.npos) format.newline = '\r';
  const std::size_t last = rows.rfind(format.newline);
  if (last == rows.npos) return begin_;
  if (rows.find('"') == rows.npos) return begin_ + last + 1;
  if (!format_) format.separator = separator_of(rows.substr(0, last + 1), format);
  Cursor cursor(rows, format);
  const char* end = rows.data();
  while (cursor.next_row()) {
    width_at(cursor);
    if (cursor.at() == rows.data() + rows.size()) break;
    end = cursor.at();
  }
  return begin_ + static_cast<std::size_t>(end - rows.data());
}

}  // namespace descent::data::detail
