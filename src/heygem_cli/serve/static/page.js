// The language: the one that was chosen here, else the browser's. Gradio asks navigator for it, the server the cookie.
const heygemLanguage = (() => {
    const saved = document.cookie.match(/(?:^|; )heygem-language=([^;]*)/)
    const wanted = saved ? saved[1] : navigator.language
    const chosen = wanted.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
    const keep = (language) => {
        document.cookie = `heygem-language=${language}; path=/; max-age=31536000; samesite=lax`
    }
    Object.defineProperty(navigator, 'language', {get: () => chosen})
    Object.defineProperty(navigator, 'languages', {get: () => [chosen]})
    document.documentElement.lang = chosen
    return {
        change() {
            keep(chosen === 'en' ? 'zh-CN' : 'en')
            window.location.reload()
        },
    }
})()
