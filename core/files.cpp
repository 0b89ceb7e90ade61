#include <descent/core/error.h>
#include <descent/core/files.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace descent {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::string read_file(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
    fail<FileError>("read_file", "could not open '", path, "': ", std::strerror(errno));
  if (S_ISDIR(info.st_mode))
    fail<FileError>("read_file", "got a folder, '", path, "', expected a file");
  std::string contents;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail<FileError>("read_file", "could not read '", path, "': ", std::strerror(errno));
    if (n == 0) return contents;
    contents.append(buffer, static_cast<std::size_t>(n));
  }
}

void write_file(const std::string& path, std::string_view contents) {
  static std::atomic<int> next{0};  // two threads may write one file
  const std::string temporary = to_text(path, ".tmp", static_cast<long>(::getpid()), "-", next++);
  const auto give_up = [&](const char* what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail<FileError>("write_file", "could not ", what, " '", path, "': ", std::strerror(error),
                    ". Hint: does the folder exist, and is there space?");
  };
  {
    const Descriptor file{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) give_up("create");
    for (std::size_t done = 0; done < contents.size();) {
      const ssize_t n = ::write(file.fd, contents.data() + done, contents.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) give_up("write");
      done += static_cast<std::size_t>(n);
    }
    if (::fsync(file.fd) != 0) give_up("flush");
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("replace");
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0) ::fsync(directory.fd);  // so that the new name survives a power cut
}

std::string gunzip(std::string contents, const std::string& name) {
  if (contents.size() < 2 || contents[0] != '\x1f' || contents[1] != '\x8b') return contents;
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
    fail<FileError>("gunzip", name, ": zlib could not start");
  struct End {
    z_stream* s;
    ~End() { inflateEnd(s); }
  } end{&stream};
  stream.next_in = reinterpret_cast<Bytef*>(contents.data());
  stream.avail_in = static_cast<uInt>(contents.size());
  std::string out;
  char buffer[65536];
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END)
      fail<FileError>(
          "gunzip", name,
          ": got damaged or truncated gzip data, expected a whole file. Hint: get it again");
    out.append(buffer, sizeof buffer - stream.avail_out);
    if (status == Z_STREAM_END && stream.avail_in > 0) {  // another member follows
      inflateReset(&stream);
      status = Z_OK;
    }
    if (out.size() > (std::size_t{1} << 32))
      fail<FileError>("gunzip", name, ": got more than 4 GiB");
  }
  return out;
}

}  // namespace descent
