#include <descent/core/error.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>

#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zlib.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

namespace descent {

detail::FileCalls detail::file_calls;

namespace {

using detail::file_calls;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

const char* kind_of(mode_t mode) {
  return S_ISDIR(mode)    ? "a folder"
         : S_ISFIFO(mode) ? "a pipe"
         : S_ISSOCK(mode) ? "a socket"
                          : "a device";
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] void fail_write(const char* what, const std::string& path, int error) {
  fail<FileError>("write_file", "could not ", what, " '", path, "': ", std::strerror(error),
                  ". Hint: does the folder exist, and is there space?");
}

/// Follows symbolic links. The last link may lead to a file that does not exist yet.
std::string behind_links(const std::string& link) {
  std::string path = link;
  struct stat info {};
  if (::stat(link.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) return link;  // as /dev/stdout
  for (int links = 0; links < 40; ++links) {
    char target[PATH_MAX];
    const ssize_t n = ::readlink(path.c_str(), target, sizeof target);
    if (n < 0) return path;  // no link
    const std::string next(target, static_cast<std::size_t>(n));
    path = next.starts_with('/') ? next : to_text(folder_of(path), "/", next);
  }
  fail_write("follow", link, ELOOP);
}

constexpr std::string_view kBefore = ".descent-", kAfter = ".tmp";

/// Removes temporary files that nobody has open: those of programs that died. A living writer holds
/// a lock on its file.
void remove_stale(const std::string& folder) {
  const auto names = detail::names_in(folder);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) continue;
    const std::string path = to_text(folder, "/", name);
    const Descriptor file{::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (file.fd >= 0 && ::flock(file.fd, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
}

/// Returns the error number; 0 if all was written.
int write_all(int fd, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t n = file_calls.write(fd, contents.data(), contents.size());
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) contents.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

/// A file under a name that nobody can guess, in the folder of the file that it will replace. The
/// destructor removes the file unless it was renamed.
struct Temporary {
  std::string path;
  int fd = -1;

  explicit Temporary(const std::string& folder) {
    unsigned char random[8];
    for (int tries = 0; fd < 0 && tries < 100; ++tries) {
      if (::getentropy(random, sizeof random) != 0) return;
      path = to_text(folder, "/", kBefore);
      for (const unsigned char c : random)
        path += {"0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
      path += kAfter;
      fd = file_calls.create(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                             0666);
      if (fd < 0 && errno != EEXIST) return;
      if (fd < 0 || is_ours()) continue;
      ::close(fd);
      fd = -1;
      errno = EEXIST;
    }
  }
  /// Locks the file, which tells remove_stale() that somebody writes. Returns false if another
  /// writer took the file for a stale one before it was locked.
  bool is_ours() const {
    struct stat info {};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
    return ::fstat(fd, &info) != 0 || info.st_nlink > 0;
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (!path.empty()) ::unlink(path.c_str());
    errno = error;
  }
};

}  // namespace

detail::InputFile::InputFile(const char* op, std::string path)
    : op_(op),
      path_(std::move(path)),
      // O_NONBLOCK: opening a pipe does not wait for a writer.
      fd_(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  Descriptor closes_on_error{fd_};
  struct stat info {};
  if (fd_ < 0 || ::fstat(fd_, &info) != 0)
    fail<FileError>(op, "could not open '", path_, "': ", std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    fail<FileError>(op, "got ", kind_of(info.st_mode), ", '", path_, "', expected a file",
                    S_ISDIR(info.st_mode) ? "" : ". Hint: write its contents to a file first");
  size_ = static_cast<std::uint64_t>(info.st_size);
  fd_ = std::exchange(closes_on_error.fd, -1);
}
detail::InputFile::~InputFile() { ::close(fd_); }

std::size_t detail::InputFile::read(std::uint64_t offset, void* to, std::size_t n) const {
  std::size_t done = 0;
  while (done < n) {
    const ssize_t got =
        ::pread(fd_, static_cast<char*>(to) + done, n - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail<FileError>(op_, "could not read '", path_, "': ", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::optional<std::vector<std::string>> detail::names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (!entries) return std::nullopt;
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries.get())) names.emplace_back(entry->d_name);
  return names;
}

std::string read_file(const std::string& path) {
  const detail::InputFile file("read_file", path);
  std::string contents;
  try {
    contents.resize(file.size());
  } catch (const std::exception&) {
    fail<MemoryError>("read_file", "got '", path, "' of ", static_cast<unsigned long>(file.size()),
                      " bytes, expected a file that fits into the memory");
  }
  contents.resize(file.read(0, contents.data(), contents.size()));
  char more[65536];  // a file of /proc has more than its size says
  while (const std::size_t n = file.read(contents.size(), more, sizeof more))
    contents.append(more, n);
  return contents;
}

bool detail::is_pipe(const std::string& path) {
  struct stat info {};
  return path == "-" || (::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode));
}

detail::InputPipe::InputPipe(const char* op, std::string path)
    : op_(op),
      path_(std::move(path)),
      // Opening does not wait for a writer, so that nobody waits for ever.
      fd_(path_ == "-" ? ::dup(STDIN_FILENO)
                       : ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)),
      begun_(path_ == "-") {
  struct stat info {};
  if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    if (path_ == "-")
      fail<FileError>(op, "could not read the standard input: ", std::strerror(error));
    fail<FileError>(op, "could not open '", path_, "': ", std::strerror(error));
  }
  if (path_ == "-" &&
      (S_ISBLK(info.st_mode) || (S_ISCHR(info.st_mode) && ::isatty(STDIN_FILENO) == 0))) {
    ::close(fd_);
    fail<FileError>(op, "got a device as the standard input, expected a file or a pipe");
  }
}
detail::InputPipe::~InputPipe() { ::close(fd_); }

std::size_t detail::InputPipe::read(void* to, std::size_t n) {
  for (int waited = 0;;) {
    const ssize_t got = ::read(fd_, to, n);
    if (got > 0) begun_ = true;
    if (got > 0 || (got == 0 && begun_)) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN)
      fail<FileError>(op_, "could not read '", path_, "': ", std::strerror(errno));
    // EAGAIN: a writer is there but has nothing yet. 0 at first: no writer yet.
    pollfd ready{fd_, POLLIN, 0};
    if (got < 0)
      ::poll(&ready, 1, -1);
    else if (++waited <= 30)
      ::usleep(100000);
    else
      fail<FileError>(op_, "got no bytes from the pipe '", path_,
                      "', expected a program that writes to it");
  }
}

std::string read_input(const std::string& path, std::uint64_t most) {
  if (!detail::is_pipe(path)) return read_file(path);
  detail::InputPipe pipe("read_input", path);
  std::string contents;
  char buffer[65536];
  while (const std::size_t n = pipe.read(buffer, sizeof buffer)) {
    contents.append(buffer, n);
    if (contents.size() > most)
      fail<FileError>("read_input", "got more than ", static_cast<unsigned long>(most),
                      " bytes from '", path,
                      "', expected no more. Hint: write them to a file first");
  }
  return contents;
}

void write_file(const std::string& path, std::string_view contents) {
  write_file(path, [&](const auto& write) { write(contents); });
}

void write_file(const std::string& path,
                const std::function<void(const std::function<void(std::string_view)>&)>& give) {
  const std::string target = behind_links(path), folder = folder_of(target);
  const auto write_pieces = [&](int fd) {
    give([&](std::string_view piece) {
      if (const int error = write_all(fd, piece)) fail_write("write", path, error);
    });
  };
  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail_write("replace", path, EISDIR);
  if (exists && ::access(target.c_str(), W_OK) != 0) fail_write("write", path, errno);
  if (exists && !S_ISREG(old.st_mode)) {
    const Descriptor file{::open(target.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.fd < 0) fail_write("open", path, errno);
    return write_pieces(file.fd);
  }
  remove_stale(folder);
  Temporary file(folder);
  if (file.fd < 0) fail_write("create", path, errno);
  if (exists) {
    // The order matters: a change of owner takes permissions away.
    if (old.st_uid != ::geteuid() || old.st_gid != ::getegid()) [[maybe_unused]]
      const int kept = ::fchown(file.fd, old.st_uid, old.st_gid);
    if (::fchmod(file.fd, old.st_mode & 07777) != 0) fail_write("create", path, errno);
  }
  write_pieces(file.fd);
  if (file_calls.fsync(file.fd) != 0) fail_write("flush", path, errno);
  if (file_calls.rename(file.path.c_str(), target.c_str()) != 0) fail_write("replace", path, errno);
  file.path.clear();
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0) ::fsync(directory.fd);  // so that the new name survives a power cut
}

void make_folder(const std::string& path) {
  std::error_code error, unknown;
  std::filesystem::create_directories(path, error);
  if (error && !std::filesystem::is_directory(path, unknown))
    fail<FileError>("make_folder", "could not make the folder '", path, "': ", error.message());
  remove_stale(path);
  const Temporary trial(path);
  if (trial.fd < 0) fail_write("write into the folder", path, errno);
  if (const int e = write_all(trial.fd, std::string(4096, ' '))) fail_write("write into", path, e);
  if (file_calls.fsync(trial.fd) != 0) fail_write("write into", path, errno);
}

namespace {
bool only_zeros(const z_stream& stream, std::string_view rest) {
  const std::string_view read(reinterpret_cast<const char*>(stream.next_in), stream.avail_in);
  return read.find_first_not_of('\0') == read.npos && rest.find_first_not_of('\0') == rest.npos;
}
}  // namespace

std::string gunzip(std::string contents, const std::string& name, const UnpackLimits& limits) {
  if (contents.size() < 2 || contents[0] != '\x1f' || contents[1] != '\x8b') return contents;
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
    fail<FileError>("gunzip", name, ": zlib could not start");
  struct End {
    z_stream* s;
    ~End() { inflateEnd(s); }
  } end{&stream};
  const auto most = std::min(
      limits.bytes,
      std::max(limits.always,
               static_cast<std::uint64_t>(limits.ratio * static_cast<double>(contents.size()))));
  std::string_view rest = contents;
  std::string out;
  if (contents.size() >= 18) {  // the end tells the size of the last member, mostly the only one
    std::uint64_t size = 0;
    for (std::size_t i = 1; i <= 4; ++i)
      size = size << 8 | static_cast<unsigned char>(contents[contents.size() - i]);
    out.reserve(std::min(size, most));
  }
  char buffer[65536];
  for (int status = Z_OK; status != Z_STREAM_END || stream.avail_in > 0 || !rest.empty();) {
    if (stream.avail_in == 0) {  // zlib counts in 32 bits
      const std::size_t n = std::min(rest.size(), std::size_t{1} << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
      stream.avail_in = static_cast<uInt>(n);
      rest.remove_prefix(n);
    }
    if (status == Z_STREAM_END) {
      if (only_zeros(stream, rest)) break;  // tapes and some writers fill up a last block
      inflateReset(&stream);                // another member follows
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END)
      fail<FileError>(
          "gunzip", name,
          ": got damaged or truncated gzip data, expected a whole file. Hint: get it again");
    out.append(buffer, sizeof buffer - stream.avail_out);
    if (out.size() > most)
      fail<FileError>("gunzip", name, ": got more than ", static_cast<unsigned long>(most),
                      " bytes from ", contents.size(), " packed bytes, expected at most ",
                      limits.ratio,
                      " for one. Hint: if you trust the file, unpack it with gunzip first");
  }
  return out;
}

}  // namespace descent
